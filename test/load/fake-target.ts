import { fault } from "../../src/errors/index.ts";
import { Schedule } from "../../src/load/schedule.ts";
import type {
  AuditRecord,
  Completion,
  Figure,
  Target,
  TargetConditions,
  TargetCounts,
} from "../../src/load/target.ts";
import type { Clock } from "../../src/scope/index.ts";
import type { ManualClock } from "../kit/manual-clock.ts";

export interface FakeServer {
  readonly clock: Clock;
  /** What one request takes; a server does one at a time. Default 0. */
  readonly serviceMs?: number;
  /** What each request takes besides, all at the same time. Default 0. */
  readonly delayMs?: number;
  /** In this time nothing is acknowledged and nothing served. */
  readonly stall?: { readonly fromMs: number; readonly toMs: number };
  /** Acknowledged, and forgotten at once. */
  readonly loses?: readonly number[];
  /** Carried out and listed twice. */
  readonly doubles?: readonly number[];
  /** Never carried out. */
  readonly neverEnds?: readonly number[];
  readonly refuses?: readonly number[];
  readonly fails?: readonly number[];
  /** Completed, and listed as failed. */
  readonly lies?: readonly number[];
  readonly mixesUp?: readonly number[];
  readonly retries?: readonly number[];
  /** Stored, though its caller was told that it was not. */
  readonly keepsRefused?: boolean;
  readonly remembers?: number;
  readonly miscounts?: number;
}

/** A server of known capacity and known faults, in simulated time. */
export class FakeTarget implements Target {
  readonly remembers: number;
  readonly #server: FakeServer;
  readonly #freeAtMs = { value: -Infinity };
  /** In the order of their ends. */
  readonly records: AuditRecord[] = [];
  readonly #accepted: number[] = [];
  closed = 0;

  constructor(server: FakeServer) {
    this.#server = server;
    this.remembers = server.remembers ?? Infinity;
  }

  open(): Promise<TargetConditions> {
    return Promise.resolve({ operation: "a simulated request", durability: "memory" });
  }

  async send(request: number): Promise<void> {
    const { clock, refuses, keepsRefused, loses } = this.#server;
    await this.#until(this.#afterStall(clock.now()));
    if (refuses?.includes(request)) {
      if (keepsRefused) this.records.push({ request, end: "completed", attempts: 1, interruptions: 0 });
      throw fault("MAILBOX_FULL", { actor: "fake", limit: 1, unit: "messages" });
    }
    if (!loses?.includes(request)) this.#accepted.push(request);
  }

  async completion(request: number): Promise<Completion> {
    const {
      clock,
      serviceMs = 0,
      delayMs = 0,
      fails,
      lies,
      mixesUp,
      doubles,
      neverEnds,
      retries,
      loses,
    } = this.#server;
    if (neverEnds?.includes(request) || loses?.includes(request)) return new Promise(() => undefined);
    const beginsMs = this.#afterStall(Math.max(clock.now(), this.#freeAtMs.value));
    this.#freeAtMs.value = beginsMs + serviceMs;
    await this.#until(this.#freeAtMs.value + delayMs);
    const state = fails?.includes(request) ? "failed" : "completed";
    const end = lies?.includes(request) ? "failed" : state;
    const attempts = retries?.includes(request) ? 2 : 1;
    const record = { request, end, attempts, interruptions: attempts - 1 } as const;
    this.records.push(record, ...(doubles?.includes(request) ? [record] : []));
    const code = state === "failed" ? "HANDLER_FAILED" : null;
    return { state, code, carriesItsNumber: !mixesUp?.includes(request) };
  }

  async *audit(): AsyncGenerator<AuditRecord> {
    await Promise.resolve();
    yield* this.records.slice(-this.remembers);
    for (const request of this.#server.neverEnds ?? []) {
      if (this.#accepted.includes(request)) yield { request, end: null, attempts: 0, interruptions: 0 };
    }
  }

  counts(): Promise<TargetCounts> {
    const of = (end: string): number => this.records.filter((record) => record.end === end).length;
    const unended = (this.#server.neverEnds ?? []).filter((each) => this.#accepted.includes(each)).length;
    const completed = of("completed") + (this.#server.miscounts ?? 0);
    return Promise.resolve({ completed, failed: of("failed"), cancelled: of("cancelled"), unended });
  }

  figures(): Promise<Figure[]> {
    return Promise.resolve([{ name: "requests served", value: this.records.length, unit: "requests" }]);
  }

  close(): Promise<void> {
    this.closed += 1;
    return Promise.resolve();
  }

  #afterStall(ms: number): number {
    const { stall } = this.#server;
    return stall && ms >= stall.fromMs && ms < stall.toMs ? stall.toMs : ms;
  }

  #until(ms: number): Promise<void> {
    const { clock } = this.#server;
    if (ms <= clock.now()) return Promise.resolve();
    return new Promise((resolve) => void clock.at(ms, resolve));
  }
}

/** Lets simulated time run until it has settled. */
export async function settled<T>(clock: ManualClock, promise: Promise<T>, stepMs = 1_000): Promise<T> {
  const state = { isOver: false };
  const over = promise.finally(() => (state.isOver = true));
  over.catch(() => undefined);
  while (!state.isOver) await clock.advance(stepMs);
  return over;
}

export const schedule = (ratePerSecond: number, durationMs: number, warmupMs = 0, startMs = 0): Schedule =>
  new Schedule({ ratePerSecond, durationMs, warmupMs, startMs });
