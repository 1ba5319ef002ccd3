import { packValue } from "../../../src/codec/index.ts";
import { fault, toWireError, type WireError } from "../../../src/errors/index.ts";
import type { ActionInfo, TaskSpec } from "../../../src/queue/queue.protocol.ts";
import type { Effect, TaskEnd } from "../../../src/workflow/run-effect.ts";
import { RunHandlers, type RememberedHandlers } from "../../../src/workflow/run-handlers.ts";
import type { RunStep, RunTask } from "../../../src/workflow/run-step.ts";
import { RunCore } from "../../../src/workflow/run.core.ts";
import type { RunEvent, StepStatus, WorkflowDefinition } from "../../../src/workflow/workflow.protocol.ts";
import { dagOf } from "./definitions.ts";

/** A handler as the queue tells of it. */
export const handlerInfo = (name: string, more: Partial<ActionInfo> = {}): ActionInfo => ({
  name,
  description: "",
  module: "built-in",
  timeoutMs: null,
  moduleSha256: null,
  ...more,
});

/** What a test calls a task: its step, and what it does for it where that is not the whole of the step's work. */
function nameOf({ step, part, index }: RunTask): string {
  const { stepId, forEach } = step.definition;
  if (part !== "run") return `${stepId}/${part}`;
  return forEach === undefined ? stepId : `${stepId}[${index}]`;
}

export interface WorldOptions {
  readonly handlers?: readonly ActionInfo[];
  readonly remembered?: RememberedHandlers;
}

/** A run and the simplest world around it: it notes what the run asks for, and answers when the test says so. */
export class RunWorld {
  readonly core: RunCore;
  readonly submitted: string[] = [];
  /** Their ids in the queue. */
  readonly submittedIds: string[] = [];
  readonly lookedUp: string[] = [];
  readonly stored: { key: string; value: Uint8Array; ttlMs: number }[] = [];
  readonly cancelled: { steps: string[]; reason: string; force: boolean }[] = [];
  /** Tasks that were to be taken back, each time that it was asked for. */
  readonly withdrawn: string[][] = [];
  /** Steps whose items are to be loaded. */
  readonly loading: string[] = [];
  /** What was to be written of who had it, each time that it was asked for. */
  readonly workersKept: (readonly string[])[] = [];
  readonly reprioritized: { step: string; priority: number }[] = [];
  readonly events: RunEvent[] = [];
  readonly effects: Effect[] = [];
  ends = 0;
  nowMs = 1_000;
  /** By what a test calls them: tasks that were looked up or submitted. */
  readonly #tasks = new Map<string, RunTask>();
  readonly #loading = new Map<string, RunStep>();

  constructor(definition: WorkflowDefinition, { handlers, remembered = {} }: WorldOptions = {}) {
    const names = new Set(definition.steps.map(({ action }) => action));
    const known = handlers ?? [...names].map((name) => handlerInfo(name));
    this.core = new RunCore({
      definition,
      dag: dagOf(definition),
      handlers: new RunHandlers(remembered, new Map(known.map((each) => [each.name, each]))),
      submittedAtMs: this.nowMs,
    });
  }

  take(effects: readonly Effect[]): this {
    for (const effect of effects) {
      this.effects.push(effect);
      if (effect.type === "submitTask") {
        this.submitted.push(this.#note(effect.task));
        this.submittedIds.push(effect.task.taskId);
      } else if (effect.type === "lookUpCache") this.lookedUp.push(this.#note(effect.task));
      else if (effect.type === "storeInCache") this.stored.push(effect);
      else if (effect.type === "changed") this.events.push(effect.event);
      else if (effect.type === "ended") {
        this.ends += 1;
        this.events.push(effect.event);
      } else if (effect.type === "loadItems") {
        this.loading.push(effect.step.definition.stepId);
        this.#loading.set(effect.step.definition.stepId, effect.step);
      } else if (effect.type === "withdrawTasks") {
        this.withdrawn.push(this.core.tasksToWithdraw.map(nameOf));
      } else if (effect.type === "reprioritize") {
        const { task } = effect;
        task.askedPriority = task.urgency.priority;
        this.reprioritized.push({ step: nameOf(task), priority: task.askedPriority });
      } else if (effect.type === "keepWorkers") {
        this.workersKept.push(this.core.workerIds);
      } else {
        const { reason, force } = effect.request;
        this.cancelled.push({ steps: this.inQueue, reason, force });
      }
    }
    return this;
  }

  #note(task: RunTask): string {
    const name = nameOf(task);
    this.#tasks.set(name, task);
    return name;
  }

  /** Undefined when it has not been asked for. */
  task(name: string): RunTask | undefined {
    return this.#tasks.get(name) ?? [...this.core.tasks].find((task) => nameOf(task) === name);
  }

  /** What the queue is asked for; undefined when it is not. */
  spec(name: string): TaskSpec | undefined {
    const task = this.task(name);
    return task && this.core.specOf(task, this.nowMs);
  }

  /** Tasks that may be in the queue. */
  get inQueue(): string[] {
    return Array.from(this.core.tasks, nameOf);
  }

  start(): this {
    return this.take(this.core.start(this.nowMs));
  }

  started(name: string, attempt = 1, workerId = "local"): this {
    return this.#with(name, (task) =>
      this.core.started(task, { attempt, workerId, startedAtMs: this.nowMs }, this.nowMs),
    );
  }

  progressed(name: string, progress: number, message: string | null = null): this {
    return this.#with(name, (task) => this.core.progressed(task, progress, message, this.nowMs));
  }

  interrupted(name: string): this {
    return this.#with(name, (task) => this.core.interrupted(task, this.nowMs));
  }

  /** @param output null for a miss */
  answered(name: string, output: Uint8Array | null): this {
    return this.#with(name, (task) => this.core.cacheAnswered(task, output, this.nowMs));
  }

  loaded(stepId: string, loaded: { value: unknown } | { error: WireError }): this {
    const step = this.#loading.get(stepId);
    return step ? this.take(this.core.itemsLoaded(step, loaded, this.nowMs)) : this;
  }

  settle(name: string, end: TaskEnd): this {
    this.nowMs += 1;
    return this.#with(name, (task) => this.core.settled(task, end, this.nowMs));
  }

  /** News about what nobody asked for is news of nothing. */
  #with(name: string, tell: (task: RunTask) => readonly Effect[]): this {
    const task = this.task(name);
    return task ? this.take(tell(task)) : this;
  }

  complete(name: string, output: unknown = { id: name }): this {
    return this.settle(name, this.end("completed", name, output));
  }

  fail(name: string, text = "boom"): this {
    return this.settle(name, this.end("failed", name, text));
  }

  stop(name: string): this {
    return this.settle(name, this.end("cancelled", name));
  }

  end(state: TaskEnd["state"], name: string, value?: unknown): TaskEnd {
    const error =
      state === "failed"
        ? toWireError(fault("HANDLER_FAILED", { action: "echo", text: String(value) }))
        : state === "cancelled"
          ? toWireError(fault("CANCELLED", { what: `task of ${name}` }))
          : null;
    return {
      state,
      attempt: 1,
      workerId: "local",
      startedAtMs: this.nowMs,
      endedAtMs: this.nowMs,
      output: state === "completed" ? packValue(value) : null,
      error,
    };
  }

  pause(generation = 1): this {
    this.nowMs += 1;
    return this.take(this.core.pause(generation, this.nowMs));
  }

  resume(): this {
    this.nowMs += 1;
    return this.take(this.core.resume(this.nowMs));
  }

  /** The queue gives back what it was asked for, but for what it has started. */
  giveBack(...names: string[]): this {
    const tasks = names.flatMap((name) => this.task(name) ?? []);
    return this.take(this.core.withdrawn(tasks, this.nowMs));
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
