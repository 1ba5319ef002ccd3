import { rmSync } from "node:fs";
import type { RefOf } from "../actor/index.ts";
import { Reference, packValue, unpackValue } from "../codec/index.ts";
import { LIMITS, assert, fault, isFault } from "../errors/index.ts";
import type { Queue, QueueStats, TaskOutcome, TaskState } from "../queue/queue.protocol.ts";
import { openSystem, type System } from "../system/index.ts";
import { diskOf, temporaryDirectory } from "./data-directory.ts";
import type { AuditRecord, Completion, Figure, Target, TargetConditions, TargetCounts } from "./target.ts";

export interface QueueTargetOptions {
  /** Null: a temporary one. */
  readonly data: string | null;
  readonly durability: "flushed" | "committed" | "memory";
  /** Undefined: one per core. */
  readonly threads: number | undefined;
  readonly action: string;
  /** Modules of handlers, for an action of one's own. */
  readonly tasks: readonly string[];
  readonly payloadBytes: number;
  /** Begins the id of each task: different for every load on one data directory. */
  readonly runId: string;
}

/** A submit is answered at once, or the queue is in trouble; what takes longer is counted as that. */
const SUBMIT_MS = 30_000;
/** No latency above it can be recorded. */
const WAIT_MS = 3_600_000;
/** Listing a hundred thousand tasks keeps the queue's thread busy for a moment. */
const LIST_MS = 60_000;
/** The one whose output is its input, so that it must carry the number of its request. */
const ECHO = "echo";

/**
 * The queue of a system of its own: one request is one task, acknowledged when `submit` resolves and completed when
 * `wait` does. Tasks belong to no group, since the scheduler would be told of every one of them.
 */
export class QueueTarget implements Target {
  readonly remembers = LIMITS.queue.keptTasks;
  readonly #options: QueueTargetOptions;
  readonly #payload: string;
  /** Made for this load, and removed after it. */
  #temporary: string | undefined;
  #system: System | undefined;
  /** Others' tasks, that were there when this load began. */
  #tasksBefore = 0;
  /** One wait for room that all refused messages share. */
  #room: Promise<void> | undefined;
  /** Messages that found the mailbox full and were sent again. */
  #heldBack = 0;

  constructor(options: QueueTargetOptions) {
    this.#options = options;
    this.#payload = "x".repeat(options.payloadBytes);
  }

  /** @throws what `openSystem` throws; UNKNOWN_ACTION; MODULE_INVALID */
  async open(): Promise<TargetConditions> {
    const { data, durability, threads, tasks, action, payloadBytes } = this.#options;
    const isKept = durability !== "memory";
    const directory = isKept ? (data ?? (this.#temporary = temporaryDirectory())) : null;
    this.#system = await openSystem({
      data: directory,
      tasks,
      ...(isKept ? { durability } : {}),
      ...(threads === undefined ? {} : { threads }),
    });
    // Loads the modules, so that the first request does not.
    const known = (await this.#system.actions()).map(({ name }) => name);
    if (!known.includes(action)) throw fault("UNKNOWN_ACTION", { action, known });
    const stats = await this.#system.queueStats();
    const { completed, failed, cancelled, unended } = countsOf(stats);
    this.#tasksBefore = completed + failed + cancelled + unended;
    return {
      operation: `one task "${action}": submit, then wait`,
      durability: stats.durability,
      action,
      payloadBytes,
      threads: stats.threads,
      data: isKept ? (data ?? "temporary") : "memory",
      ...(directory === null ? {} : diskOf(directory)),
      tasksBefore: this.#tasksBefore,
    };
  }

  async send(request: number): Promise<void> {
    const { action } = this.#options;
    const input = packValue({ load: request, payload: this.#payload });
    const tasks = [{ taskId: this.#idOf(request), action, input }];
    await this.#whenThereIsRoom(() => this.#queue.call.submit({ tasks }, { timeoutMs: SUBMIT_MS }));
  }

  async completion(request: number): Promise<Completion> {
    const taskId = this.#idOf(request);
    const outcome = await this.#whenThereIsRoom(
      () => this.#queue.call.wait({ taskId }, { timeoutMs: WAIT_MS }),
      true,
    );
    return {
      state: endOf(outcome.state) ?? "failed",
      code: outcome.error?.code ?? null,
      carriesItsNumber: this.#carries(outcome, request),
    };
  }

  async *audit(): AsyncGenerator<AuditRecord> {
    const limit = LIMITS.lists.pageItems;
    const filter = { action: this.#options.action };
    for (let offset = 0; ;) {
      const page = await this.#whenThereIsRoom(
        () => this.#queue.call.list({ filter, offset, limit }, { timeoutMs: LIST_MS }),
        true,
      );
      for (const { taskId, state, attempt, interruptions } of page.tasks) {
        const request = this.#requestOf(taskId);
        if (request !== null) yield { request, end: endOf(state), attempts: attempt, interruptions };
      }
      offset += page.tasks.length;
      if (page.tasks.length === 0 || offset >= page.total) return;
    }
  }

  async counts(): Promise<TargetCounts | null> {
    return this.#tasksBefore > 0 ? null : countsOf(await this.#open().queueStats());
  }

  async figures(): Promise<Figure[]> {
    const { commits, meanBatch, rows, run, retries, interruptions } = await this.#open().queueStats();
    // All of these count from the opening of the queue, or from its last restart.
    return [
      { name: "commits", value: commits, unit: "commits" },
      ...(meanBatch === null ? [] : [{ name: "mean batch", value: meanBatch, unit: "rows/commit" }]),
      { name: "rows written", value: rows, unit: "rows" },
      { name: "handler runs", value: run.count, unit: "runs" },
      { name: "retries", value: retries, unit: "attempts" },
      { name: "interruptions", value: interruptions, unit: "attempts" },
      { name: "held back by a full mailbox", value: this.#heldBack, unit: "messages" },
    ];
  }

  async close(): Promise<void> {
    try {
      await this.#system?.close();
    } finally {
      if (this.#temporary !== undefined) rmSync(this.#temporary, { recursive: true, force: true });
    }
  }

  /**
   * A full mailbox is back-pressure: the message is sent again when there is room, and its latency goes on. A question
   * is also asked again of a queue that was restarted meanwhile; a submit is not, since its answer would not tell
   * whether it was the first.
   */
  async #whenThereIsRoom<T>(ask: () => Promise<T>, isQuestion = false): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (isFault(error, "MAILBOX_FULL")) {
          this.#heldBack += 1;
          this.#room ??= this.#queue.writable().finally(() => (this.#room = undefined));
          await this.#room;
        } else if (isQuestion && isFault(error, "ACTOR_RESTARTING")) await this.#queue.ready();
        else throw error;
      }
    }
  }

  /** Null when it is kept apart from the outcome, or is that of a handler we do not know. */
  #carries({ state, output }: TaskOutcome, request: number): boolean | null {
    if (this.#options.action !== ECHO || state !== "completed") return null;
    const value = output && unpackValue(output);
    if (value instanceof Reference) return null;
    return (value as { readonly load?: unknown } | null)?.load === request;
  }

  #idOf(request: number): string {
    return `${this.#options.runId}-${request}`;
  }

  #requestOf(taskId: string): number | null {
    const prefix = `${this.#options.runId}-`;
    return taskId.startsWith(prefix) ? Number(taskId.slice(prefix.length)) : null;
  }

  get #queue(): RefOf<typeof Queue> {
    return this.#open().actors.queue;
  }

  #open(): System {
    assert(this.#system, "a target is opened before it is used");
    return this.#system;
  }
}

function countsOf({ completed, failed, cancelled, queued, running, cancelling }: QueueStats): TargetCounts {
  return { completed, failed, cancelled, unended: queued + running + cancelling };
}

function endOf(state: TaskState): Completion["state"] | null {
  return state === "completed" || state === "failed" || state === "cancelled" ? state : null;
}
