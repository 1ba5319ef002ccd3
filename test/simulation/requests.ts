import type { CallOptions, RefOf } from "../../src/actor/index.ts";
import { isFault } from "../../src/errors/index.ts";
import type { Queue } from "../../src/queue/queue.protocol.ts";
import type { Random } from "../../src/scope/index.ts";
import type { ManualClock } from "../kit/manual-clock.ts";
import type { Checker } from "./checker.ts";
import type { Replies } from "./replies.ts";
import { callersOf, type Caller } from "./specs.ts";

export type QueueRef = RefOf<typeof Queue>;

/** Whether it happened is not known: the answer was lost. */
const LOST = ["ACTOR_RESTARTING", "ACTOR_STOPPED", "DEADLINE_EXCEEDED", "CANCELLED"];
/** It did not happen. */
const REFUSED = [
  "STORE_FULL",
  "STORE_FAILED",
  "FILE_UNREADABLE",
  "MAILBOX_FULL",
  "TASK_NOT_FOUND",
  "TASK_NOT_FINISHED",
  "TASK_ENDED",
  "LEASE_LOST",
  "ALREADY_EXISTS",
  "IDEMPOTENCY_CONFLICT",
  "UNKNOWN_DEPENDENCY",
  "DEPENDENCY_FAILED",
  "QUOTA_EXCEEDED",
  "UNKNOWN_ACTION",
  "UNKNOWN_NAME",
  "INVALID_ARGUMENT",
];

export interface Answers<T> {
  /** @param since number of the latest command when the request was sent */
  readonly reply?: (value: T, since: number) => void;
  readonly refused?: (code: string) => void;
  /** In whatever way it ended. */
  readonly ended?: () => void;
  /** Its caller waits for the answer, come what may; else half of them may leave before. */
  readonly patient?: boolean;
}

export interface Lease {
  readonly workerId: string;
  readonly taskId: string;
  readonly token: number;
}

/** Everything that a generator of commands looks at, and the way to send one. */
export class Requests {
  queue: QueueRef | null = null;
  readonly random: Random;
  readonly clock: ManualClock;
  readonly checker: Checker;
  readonly replies: Replies;
  readonly commands: Record<string, number>;
  /** Ids that were used, whatever became of them. */
  readonly taskIds: string[] = [];
  readonly specs: Parameters<QueueRef["call"]["submit"]>[0]["tasks"] = [];
  readonly callers: readonly Caller[];
  /** What workers outside believe to have, late ones too. */
  leases: Lease[] = [];
  readonly oldLeases: Lease[] = [];
  readonly workerIds = new Set<string>();
  /** What a request that is under way changes: a second one at the same time could not be told apart. */
  readonly busy = new Set<string>();
  readonly #impatient = new Map<number, AbortController>();
  /** Commands until now. */
  sent = 0;

  constructor(parts: Pick<Requests, "random" | "clock" | "checker" | "replies" | "commands">) {
    this.random = parts.random;
    this.callers = callersOf(parts.random);
    this.clock = parts.clock;
    this.checker = parts.checker;
    this.replies = parts.replies;
    this.commands = parts.commands;
  }

  below(limit: number): number {
    return Math.floor(this.random.next() * limit);
  }

  chance(share: number): boolean {
    return this.random.next() < share;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(items.length)];
  }

  /** One that has not ended, or was used of late, mostly. */
  someId(): string {
    const { taskIds } = this;
    const live = this.chance(0.3) ? this.pick([...this.checker.model.live]) : undefined;
    if (live) return live.taskId;
    const from = this.chance(0.8) ? Math.max(0, taskIds.length - 25) : 0;
    return taskIds[from + this.below(taskIds.length - from)] ?? "nobody";
  }

  send<T>(
    name: string,
    params: unknown,
    call: (queue: QueueRef["call"], options: CallOptions) => Promise<T>,
    { reply, refused, ended, patient = false }: Answers<T> = {},
  ): void {
    if (this.queue === null) return;
    const { checker } = this;
    const id = ++this.sent;
    const since = checker.model.number;
    this.commands[name] = (this.commands[name] ?? 0) + 1;
    const abort = patient || this.chance(0.5) ? null : new AbortController();
    if (abort) this.#impatient.set(id, abort);
    checker.note(`> ${id} ${name}`, params);
    call(this.queue.call, abort ? { signal: abort.signal } : {})
      .then(
        (value) => {
          checker.note(`< ${id} ${name}`);
          reply?.(value, since);
        },
        (error: unknown) => {
          const code = isFault(error) ? error.code : String(error);
          checker.note(`< ${id} ${name} ${code}`);
          if (REFUSED.includes(code)) refused?.(code);
          else if (!LOST.includes(code))
            checker.broken(`${name} ends with ${error instanceof Error ? error.stack : code}`);
        },
      )
      .finally(() => {
        this.#impatient.delete(id);
        ended?.();
      })
      .catch((error: unknown) =>
        checker.broken(`the check of ${name} throws ${error instanceof Error ? error.stack : ""}`),
      );
  }

  /** Whoever asked does not wait any longer. */
  giveUp(): boolean {
    const abort = this.pick([...this.#impatient.values()]);
    abort?.abort();
    return abort !== undefined;
  }

  /** Like `send`, when nothing else under way changes the same thing. */
  alone<T>(what: string, ...args: Parameters<typeof this.send<T>>): void {
    const [name, params, call, answers = {}] = args;
    this.busy.add(what);
    this.send(name, params, call, {
      ...answers,
      patient: true,
      ended: () => {
        this.busy.delete(what);
        answers.ended?.();
      },
    });
  }
}
