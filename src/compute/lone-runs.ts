import { Assignment, type AssignmentEnd, type AssignmentServices, type StopCause } from "./assignment.ts";
import type { AttemptRequest, DescribeRequest } from "./thread-message.ts";

export interface LoneRunsOptions {
  readonly services: AssignmentServices;
  /** Slots, from 0, and so attempts at once. */
  readonly threads: number;
  readonly startMs: number;
  readonly loadMs: number;
  readonly graceMs: number;
}

/** What wants a thread alone: an attempt, or the description. */
export type LoneRequest = Omit<AttemptRequest, "slot"> | Omit<DescribeRequest, "slot">;

/** Never called within `run`. @param module index of the module that was being imported; -1 for none */
type Settle = (end: AssignmentEnd, module: number) => void;

interface LoneRun {
  readonly request: LoneRequest;
  readonly settle: Settle;
  /** Null while it waits for a slot. */
  assignment: Assignment | null;
}

/** Attempts that have their thread alone: one slot each, the others wait in their order. */
export class LoneRuns {
  readonly #options: LoneRunsOptions;
  readonly #free: number[];
  readonly #line: LoneRun[] = [];
  readonly #running = new Set<LoneRun>();

  constructor(options: LoneRunsOptions) {
    this.#options = options;
    this.#free = Array.from({ length: options.threads }, (_, slot) => slot);
  }

  get waiting(): number {
    return this.#line.length;
  }

  /** Returns what stops it, as `Assignment.stop` does; one that waits is settled at once. */
  run(request: LoneRequest, settle: Settle): (graceMs: number) => boolean {
    const run: LoneRun = { request, settle, assignment: null };
    this.#line.push(run);
    this.#fill();
    return (graceMs) => {
      if (run.assignment !== null) return run.assignment.stop("cancelled", graceMs);
      this.#line.splice(this.#line.indexOf(run), 1);
      settle(stoppedBefore("cancelled"), -1);
      return true;
    };
  }

  /** Stops all; what still waits ends `closing` at once. Resolves when it is certain how each has ended. */
  async stopAll(graceMs: number): Promise<void> {
    for (const { settle } of this.#line.splice(0)) settle(stoppedBefore("closing"), -1);
    const assignments = [...this.#running].flatMap(({ assignment }) => assignment ?? []);
    for (const assignment of assignments) assignment.stop("closing", graceMs);
    await Promise.all(assignments.map(({ ended }) => ended));
  }

  #fill(): void {
    while (this.#free.length > 0) {
      const run = this.#line.shift();
      if (run === undefined) return;
      void this.#start(run, this.#free.pop() ?? 0);
    }
  }

  async #start(run: LoneRun, slot: number): Promise<void> {
    const { services, startMs, loadMs, graceMs } = this.#options;
    const { request } = run;
    const timeoutMs = request.kind === "run" ? request.timeoutMs : Number.POSITIVE_INFINITY;
    const assignment = new Assignment({ ...request, slot }, services, {
      startMs,
      loadMs,
      timeoutMs,
      graceMs,
    });
    run.assignment = assignment;
    this.#running.add(run);
    run.settle(await assignment.ended, services.slots.module(slot));
    await assignment.released;
    this.#running.delete(run);
    services.slots.release(slot);
    this.#free.push(slot);
    this.#fill();
  }
}

const stoppedBefore = (cause: StopCause): AssignmentEnd => ({ kind: "stopped", cause, terminated: false });
