import { isDeepStrictEqual } from "node:util";
import type {
  CompensationState,
  RunState,
  RunStatus,
  StepState,
} from "../../src/workflow/workflow.protocol.ts";
import { parseTaskId } from "../../src/workflow/task-id.ts";
import type { CrashLedger } from "./crash-ledger.ts";
import type { ExpectedEnd } from "./planned-run.ts";

/** A run as its status tells of it. */
export interface SeenRun {
  readonly runId: string;
  readonly state: RunState;
  readonly steps: Readonly<Record<string, StepState>>;
  readonly undone: Readonly<Record<string, CompensationState | null>>;
  /** One of its attempts was cut off more often than the queue allows, which no plan foresees. */
  readonly isWornOut: boolean;
}

export function seenRun({ workflowId, state, steps, error }: RunStatus): SeenRun {
  return {
    runId: workflowId,
    state,
    steps: Object.fromEntries(steps.map((step) => [step.stepId, step.state])),
    undone: Object.fromEntries(steps.map((step) => [step.stepId, step.compensation])),
    isWornOut: JSON.stringify([error, steps]).includes("TASK_INTERRUPTED"),
  };
}

/** What a life of the system says on its way; the last line may be cut off by its death. */
export type RunLine =
  | { readonly say: "open" }
  | { readonly say: "accepted"; readonly runId: string }
  /** What is known of a run that was asked for when the system had just been opened; null = nothing. */
  | { readonly say: "found"; readonly runId: string; readonly run: SeenRun | null }
  /** The same on the way. */
  | { readonly say: "seen"; readonly run: SeenRun }
  /** A handler was given a task. Told by the handlers' own journal. */
  | { readonly say: "started"; readonly taskId: string; readonly life: number }
  | { readonly say: "failed to open"; readonly code: string; readonly message: string }
  | { readonly say: "sound"; readonly isSound: boolean };

interface Entry {
  ended: SeenRun | null;
  /** By the id that a step, or what undoes it, has in the journal: the life in which it was first seen finished. */
  readonly finished: Map<string, number>;
}

/**
 * What was acknowledged of runs over all lives. It knows the promise alone: a run that was accepted is there, it ends
 * as its policy says and stays so, and no step that was seen finished is given to a handler in a later life.
 */
export class RunLedger implements CrashLedger<RunLine> {
  readonly #entries = new Map<string, Entry>();
  readonly #endOf: (runId: string) => ExpectedEnd;
  readonly #lost: string[] = [];
  readonly #runAgain: string[] = [];
  readonly #wrongEnds: string[] = [];
  #wornOut = 0;
  readonly #unreadable: string[] = [];
  #life = 0;

  constructor(endOf: (runId: string) => ExpectedEnd) {
    this.#endOf = endOf;
  }

  begin(life: number): void {
    this.#life = life;
  }

  get acknowledged(): number {
    return this.#entries.size;
  }

  get figures(): Readonly<Record<string, number>> {
    return {
      lost: this.#lost.length,
      run_again: this.#runAgain.length,
      wrong_ends: this.#wrongEnds.length,
      unreadable: this.#unreadable.length,
    };
  }

  get remarks(): Readonly<Record<string, number>> {
    const ended = [...this.#entries.values()].filter((entry) => entry.ended !== null).length;
    return { ended, worn_out: this.#wornOut };
  }

  get problems(): readonly string[] {
    return [
      ...this.#lost.map((what) => `lost: ${what}`),
      ...this.#runAgain.map((what) => `run again: ${what}`),
      ...this.#wrongEnds.map((what) => `wrong end: ${what}`),
      ...this.#unreadable.map((why) => `unreadable: ${why}`),
    ];
  }

  toAsk(recent: number): string[] {
    const ids = this.all;
    const open = ids.filter((runId) => this.#entries.get(runId)?.ended === null);
    return [...new Set([...ids.slice(Math.max(0, ids.length - recent)), ...open])];
  }

  get all(): string[] {
    return [...this.#entries.keys()];
  }

  take(line: RunLine): void {
    if (line.say === "accepted") this.#entry(line.runId);
    else if (line.say === "found" && line.run === null) this.#lost.push(line.runId);
    else if (line.say === "found" && line.run !== null) this.#see(line.run);
    else if (line.say === "seen") this.#see(line.run);
    else if (line.say === "started") this.#start(line.taskId, line.life);
    else if (line.say === "failed to open") this.#unreadable.push(`${line.code} ${line.message}`);
    else if (line.say === "sound" && !line.isSound) this.#unreadable.push("the file is damaged");
  }

  #entry(runId: string): Entry {
    const known = this.#entries.get(runId);
    if (known) return known;
    const entry: Entry = { ended: null, finished: new Map() };
    this.#entries.set(runId, entry);
    return entry;
  }

  #see(run: SeenRun): void {
    const entry = this.#entry(run.runId);
    for (const [stepId, state] of Object.entries(run.steps)) {
      if (state === "completed") this.#finish(entry, `${stepId}/run`);
    }
    for (const [stepId, state] of Object.entries(run.undone)) {
      if (state === "completed") this.#finish(entry, `${stepId}/compensate`);
    }
    if (entry.ended !== null) {
      if (!isDeepStrictEqual(entry.ended, run)) this.#wrongEnds.push(`${run.runId} ended, and has changed`);
    } else if (isEnd(run.state)) {
      entry.ended = run;
      this.#compare(run);
    }
  }

  #compare(run: SeenRun): void {
    if (run.isWornOut) {
      this.#wornOut += 1;
      return;
    }
    const { state, steps, undone } = this.#endOf(run.runId);
    const isRight =
      run.state === state &&
      (steps === null || isDeepStrictEqual({ ...run.steps }, { ...steps })) &&
      (undone === null || isDeepStrictEqual({ ...run.undone }, { ...undone }));
    if (isRight) return;
    const show = (what: object): string => JSON.stringify(what);
    this.#wrongEnds.push(
      `${run.runId} is ${run.state} ${show(run.steps)} ${show(run.undone)}, not ${state} ${show({ steps, undone })}`,
    );
  }

  #finish({ finished }: Entry, what: string): void {
    if (!finished.has(what)) finished.set(what, this.#life);
  }

  #start(taskId: string, life: number): void {
    const parts = parseTaskId(taskId);
    if (parts === undefined) return;
    const { workflowId, stepId, part } = parts;
    const since = this.#entries.get(workflowId)?.finished.get(`${stepId}/${part}`) ?? Infinity;
    if (life > since) this.#runAgain.push(taskId);
  }
}

const isEnd = (state: RunState): boolean =>
  state === "completed" || state === "failed" || state === "cancelled";
