import { packValue } from "../../../src/codec/index.ts";
import { fault, toWireError } from "../../../src/errors/index.ts";
import { RunCore } from "../../../src/workflow/run.core.ts";
import type { Effect, StepEnd } from "../../../src/workflow/run-effect.ts";
import { parseTaskId } from "../../../src/workflow/task-id.ts";
import type { RunEvent, StepStatus, WorkflowDefinition } from "../../../src/workflow/workflow.protocol.ts";
import { dagOf } from "./definitions.ts";

/** A run and the simplest world around it: it notes what the run asks for, and answers when the test says so. */
export class RunWorld {
  readonly core: RunCore;
  readonly submitted: string[] = [];
  readonly lookedUp: string[] = [];
  readonly stored: { key: string; value: Uint8Array; ttlMs: number }[] = [];
  readonly cancelled: { steps: string[]; reason: string; force: boolean }[] = [];
  readonly events: RunEvent[] = [];
  readonly effects: Effect[] = [];
  ends = 0;
  nowMs = 1_000;

  constructor(definition: WorkflowDefinition) {
    this.core = new RunCore(definition, dagOf(definition), this.nowMs);
  }

  take(effects: readonly Effect[]): this {
    for (const effect of effects) {
      this.effects.push(effect);
      if (effect.type === "submitTask") this.submitted.push(effect.stepId);
      else if (effect.type === "lookUpCache") this.lookedUp.push(effect.stepId);
      else if (effect.type === "storeInCache") this.stored.push(effect);
      else if (effect.type === "changed") this.events.push(effect.event);
      else if (effect.type === "ended") {
        this.ends += 1;
        this.events.push(effect.event);
      } else {
        const steps = effect.taskIds.map((id) => parseTaskId(id)?.stepId ?? "?");
        this.cancelled.push({ steps, reason: effect.reason, force: effect.force });
      }
    }
    return this;
  }

  start(): this {
    return this.take(this.core.start(this.nowMs));
  }

  started(stepId: string, attempt = 1): this {
    return this.take(this.core.stepStarted(stepId, { attempt, startedAtMs: this.nowMs }, this.nowMs));
  }

  settle(stepId: string, end: StepEnd): this {
    this.nowMs += 1;
    return this.take(this.core.stepSettled(stepId, end, this.nowMs));
  }

  complete(stepId: string, output: unknown = { id: stepId }): this {
    return this.settle(stepId, this.end("completed", stepId, output));
  }

  fail(stepId: string, text = "boom"): this {
    return this.settle(stepId, this.end("failed", stepId, text));
  }

  stop(stepId: string): this {
    return this.settle(stepId, this.end("cancelled", stepId));
  }

  end(state: StepEnd["state"], stepId: string, value?: unknown): StepEnd {
    const error =
      state === "failed"
        ? toWireError(fault("HANDLER_FAILED", { action: "echo", text: String(value) }))
        : state === "cancelled"
          ? toWireError(fault("CANCELLED", { what: `task of ${stepId}` }))
          : null;
    return {
      state,
      attempt: 1,
      startedAtMs: this.nowMs,
      endedAtMs: this.nowMs,
      output: state === "completed" ? packValue(value) : null,
      error,
    };
  }

  cancel(reason = "enough", force = false): this {
    this.nowMs += 1;
    return this.take(this.core.cancel({ reason, force }, this.nowMs));
  }

  step(stepId: string): StepStatus {
    const found = this.core.status().steps.find((each) => each.stepId === stepId);
    if (!found) throw new Error(`no step ${stepId}`);
    return found;
  }

  /** Step states by id: `a:completed b:running`. */
  get states(): string {
    return this.core
      .status()
      .steps.map(({ stepId, state }) => `${stepId}:${state}`)
      .join(" ");
  }
}
