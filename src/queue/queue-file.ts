import type { WireError } from "../errors/index.ts";
import type { Store } from "../store/index.ts";
import { QueueRows } from "./queue-rows.ts";
import { QueueCore } from "./queue.core.ts";
import type { Backoff, TaskSpec, TaskState, TaskStatus, WireRecord } from "./queue.protocol.ts";
import type { RowChange } from "./row-change.ts";
import { checkSpecs, fingerprintOf } from "./task-spec.ts";
import { statusOf } from "./task-status.ts";
import { hasEnded, type Task } from "./task.ts";

/** All that the file knows of a task but its attempts and its log. */
export interface FiledTask extends TaskStatus {
  readonly input: Uint8Array;
  readonly metadata: WireRecord | null;
  readonly timeoutMs: number | null;
  readonly backoff: Backoff;
  readonly onDependencyFailure: "cancel" | "run";
  readonly requires: readonly string[];
  readonly idempotencyKey: string | null;
  /** Keys that later submits gave to it. */
  readonly furtherKeys: readonly string[];
  /** All that it was submitted to wait for; `blockedBy` has those that have not ended. */
  readonly dependsOn: readonly string[];
  readonly output: Uint8Array | null;
  readonly error: WireError | null;
}

/**
 * The queue's file in the hands of someone who runs nothing: its tasks to be looked at, and new ones to be added by
 * the rules of the queue itself. The store belongs to the caller, who has it alone.
 */
export class QueueFile {
  readonly #rows: QueueRows;
  readonly #core: QueueCore;
  readonly #nowMs: number;
  /** By sequence, of tasks that the file had when it was opened. */
  readonly #furtherKeys: ReadonlyMap<number, readonly string[]>;
  /** Of tasks that have been added, whose rows cannot be asked yet. */
  readonly #fingerprints = new Map<Task, Uint8Array>();
  #added: RowChange[] = [];

  /** @throws STORE_CORRUPT, FILE_UNREADABLE */
  constructor(store: Store, nowMs: number) {
    this.#rows = new QueueRows(store);
    this.#nowMs = nowMs;
    const loaded = this.#rows.load();
    const { marks, quotas, pause } = loaded;
    this.#core = new QueueCore({
      order: { by: "fifo" },
      room: { threads: 0, shared: 0 },
      chance: () => 0,
      marks,
      pause,
      quotas,
      workers: [],
      nowMs,
    });
    this.#core.load(loaded);
    this.#furtherKeys = loaded.furtherKeys;
  }

  /** In submission order; absent states are all. What only the disk keeps is read when a task is given. */
  *tasks(states?: readonly TaskState[]): Generator<FiledTask> {
    for (const task of this.#core.select(states === undefined ? {} : { states })) yield this.#filed(task);
  }

  /**
   * Adds a task in memory as a submit would; `write` puts what was added on disk.
   *
   * @param furtherKeys as later submits of it would give them
   * @returns false when it was there already, with the same work
   * @throws what a submit throws, and then nothing was added
   */
  add(spec: TaskSpec, furtherKeys: readonly string[] = []): boolean {
    const specs = [spec, ...furtherKeys.map((idempotencyKey) => ({ ...spec, idempotencyKey }))];
    checkSpecs(specs);
    const { tasks, rows } = this.#core.submit(specs, this.#isSameWork, this.#nowMs);
    for (const { task, content } of rows) if (content) this.#fingerprints.set(task, fingerprintOf(spec));
    this.#added.push(...rows);
    return tasks[0]?.replayed === false;
  }

  /** What was added since is only a rehearsal: it is never written, and takes no more memory than its names. */
  forget(): void {
    this.#added = [];
  }

  /** All that was added since, or nothing of it. @throws STORE_FULL, STORE_FAILED */
  async write(): Promise<void> {
    const rows = this.#added;
    this.#added = [];
    if (rows.length > 0) await this.#rows.write(rows, () => this.#core.undo(rows));
  }

  readonly #isSameWork = (task: Task, fingerprint: Uint8Array): boolean =>
    Buffer.compare(this.#fingerprints.get(task) ?? this.#rows.fingerprint(task), fingerprint) === 0;

  #filed(task: Task): FiledTask {
    const { timeoutMs, backoff, onDependencyFailure, requires } = task.terms;
    const { input, metadata, dependsOn } = this.#rows.content(task);
    const { output, error } = hasEnded(task) ? this.#rows.result(task) : { output: null, error: null };
    return {
      ...statusOf(task),
      input,
      metadata,
      timeoutMs,
      backoff,
      onDependencyFailure,
      requires,
      idempotencyKey: task.idempotencyKey,
      furtherKeys: this.#furtherKeys.get(task.sequence) ?? [],
      dependsOn,
      output,
      error,
    };
  }
}
