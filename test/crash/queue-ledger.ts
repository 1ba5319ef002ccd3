import type { TaskState } from "../../src/queue/queue.protocol.ts";
import type { CrashLedger } from "./crash-ledger.ts";

/** What a life of the queue says on its way, one line of JSON each; the last may be cut off by its death. */
export type TaskLine =
  | { readonly say: "open" }
  /** What the queue knows of the tasks that it was asked for, when it has just been opened; null = nothing. */
  | {
      readonly say: "found";
      readonly taskId: string;
      readonly state: TaskState | null;
      readonly output: unknown;
    }
  | { readonly say: "accepted"; readonly taskIds: readonly string[] }
  /** The queue has acknowledged an end, or told of one. */
  | { readonly say: "ended"; readonly taskId: string; readonly state: TaskState; readonly output: unknown }
  /** A handler, here or outside, was given the task. */
  | { readonly say: "started"; readonly taskId: string }
  | { readonly say: "failed to open"; readonly code: string; readonly message: string }
  | { readonly say: "sound"; readonly isSound: boolean };

interface Entry {
  ended: { readonly state: TaskState; readonly output: string } | null;
}

/**
 * What was acknowledged over all lives, and what became of it. It knows nothing of the queue but the promise: what was
 * accepted is there, what ended stays as it ended, and what completed is not given to anyone again.
 */
export class QueueLedger implements CrashLedger<TaskLine> {
  readonly #entries = new Map<string, Entry>();
  readonly lost: string[] = [];
  readonly doubleCompleted: string[] = [];
  readonly unreadable: string[] = [];

  get acknowledged(): number {
    return this.#entries.size;
  }

  get figures(): Readonly<Record<string, number>> {
    return {
      lost: this.lost.length,
      double_completed: this.doubleCompleted.length,
      unreadable: this.unreadable.length,
    };
  }

  get remarks(): Readonly<Record<string, number>> {
    return {};
  }

  get problems(): readonly string[] {
    return [
      ...this.lost.map((taskId) => `lost: ${taskId}`),
      ...this.doubleCompleted.map((taskId) => `ended twice: ${taskId}`),
      ...this.unreadable.map((why) => `unreadable: ${why}`),
    ];
  }

  /** What it compares has no order of lives. */
  begin(): void {}

  toAsk(recent: number): string[] {
    const ids = [...this.#entries.keys()];
    const open = ids.filter((taskId) => this.#entries.get(taskId)?.ended === null);
    return [...new Set([...ids.slice(Math.max(0, ids.length - recent)), ...open])];
  }

  get all(): string[] {
    return [...this.#entries.keys()];
  }

  take(line: TaskLine): void {
    if (line.say === "accepted") for (const taskId of line.taskIds) this.#accept(taskId);
    else if (line.say === "found") this.#find(line.taskId, line.state, line.output);
    else if (line.say === "ended") this.#end(line.taskId, line.state, line.output);
    else if (line.say === "started") this.#start(line.taskId);
    else if (line.say === "failed to open") this.unreadable.push(`${line.code} ${line.message}`);
    else if (line.say === "sound" && !line.isSound) this.unreadable.push("the file is damaged");
  }

  #accept(taskId: string): void {
    if (!this.#entries.has(taskId)) this.#entries.set(taskId, { ended: null });
  }

  #start(taskId: string): void {
    if (this.#entries.get(taskId)?.ended?.state === "completed") this.doubleCompleted.push(taskId);
  }

  #find(taskId: string, state: TaskState | null, output: unknown): void {
    const entry = this.#entries.get(taskId);
    if (!entry) return;
    if (state === null) this.lost.push(taskId);
    else if (entry.ended !== null) this.#compare(taskId, entry.ended, state, output);
    else if (isEnd(state)) entry.ended = { state, output: JSON.stringify(output) };
  }

  #end(taskId: string, state: TaskState, output: unknown): void {
    const entry = this.#entries.get(taskId);
    if (!isEnd(state)) return;
    // The end of a task can be told before the acknowledgement of its submit.
    if (!entry) this.#entries.set(taskId, { ended: { state, output: JSON.stringify(output) } });
    else if (entry.ended === null) entry.ended = { state, output: JSON.stringify(output) };
    else this.#compare(taskId, entry.ended, state, output);
  }

  #compare(
    taskId: string,
    known: { state: TaskState; output: string },
    state: TaskState,
    output: unknown,
  ): void {
    if (known.state === state && known.output === JSON.stringify(output)) return;
    // An acknowledged end that is gone is a loss; one that has become another was written twice.
    if (isEnd(state)) this.doubleCompleted.push(taskId);
    else this.lost.push(taskId);
  }
}

const isEnd = (state: TaskState): boolean =>
  state === "completed" || state === "failed" || state === "cancelled";
