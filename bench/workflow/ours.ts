import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSystem, type System, type WorkflowInput } from "mcplusplus";
import { inLanes } from "../kit/turns.ts";
import { TASKS } from "../queue/task.ts";
import type { Ran, WorkflowContestant } from "./contestant.ts";

const THREADS = 2;

/** Steps of one layer each wait for two of the layer before. */
const LAYER = 100;

type Step = WorkflowInput["steps"][number];

const noop = (stepId: string, ...dependsOn: string[]): Step => ({
  stepId,
  action: "noop",
  inputs: {},
  dependsOn,
});

/** The engine of a system of its own with its files, at durability `flushed`, as embedding programs use it. */
export async function openOurs(): Promise<OurWorkflows> {
  const data = await mkdtemp(join(tmpdir(), "mcplusplus-workflow-"));
  const system = await openSystem({ data, tasks: [TASKS], threads: THREADS });
  await system.actions();
  return new OurWorkflows(system, data);
}

export class OurWorkflows implements WorkflowContestant {
  readonly #system: System;
  readonly #data: string;
  #started = 0;

  constructor(system: System, data: string) {
    this.#system = system;
    this.#data = data;
  }

  async run(count: number, atOnce: number): Promise<Ran> {
    const steps = [noop("first"), noop("second", "first"), noop("third", "second")];
    let completed = 0;
    const sinceMs = performance.now();
    await inLanes(count, atOnce, async () => {
      const { status } = await this.#run(steps);
      if (status.state === "completed") completed += 1;
    });
    return { ms: performance.now() - sinceMs, completed };
  }

  /** Milliseconds of one workflow with so many steps in layers. */
  async layered(count: number): Promise<number> {
    const idOf = (index: number): string => `step-${index}`;
    const steps = Array.from({ length: count }, (_, index) => {
      const above = index - LAYER;
      const neighbour = index % LAYER === LAYER - 1 ? above - 1 : above + 1;
      return above < 0 ? noop(idOf(index)) : noop(idOf(index), idOf(above), idOf(neighbour));
    });
    return this.#timed(steps);
  }

  /** Milliseconds of one workflow with so many steps that wait for nothing and sleep so long, so many at once. */
  async wide(count: number, maxConcurrency: number, sleepMs: number): Promise<number> {
    const steps = Array.from({ length: count }, (_, index) => ({
      stepId: `step-${index}`,
      action: "sleep",
      inputs: { ms: sleepMs },
    }));
    return this.#timed(steps, { maxConcurrency });
  }

  async close(): Promise<void> {
    await this.#system.close();
    await rm(this.#data, { recursive: true, force: true });
  }

  async #timed(steps: readonly Step[], more: Partial<WorkflowInput> = {}): Promise<number> {
    const sinceMs = performance.now();
    const { status } = await this.#run(steps, more);
    const ms = performance.now() - sinceMs;
    if (status.state !== "completed") throw new Error(`the workflow ended ${status.state}`);
    return ms;
  }

  #run(steps: readonly Step[], more: Partial<WorkflowInput> = {}): ReturnType<System["run"]> {
    return this.#system.run({ workflowId: `workflow-${++this.#started}`, steps, ...more });
  }
}
