import { packValue } from "../../src/codec/index.ts";
import type {
  AttemptName,
  ComputePool,
  HandlerInfo,
  PoolOptions,
  RunOutcome,
  RunRequest,
} from "../../src/compute/index.ts";
import { fault, toWireError } from "../../src/errors/index.ts";
import type { Clock, Random, Timer } from "../../src/scope/index.ts";

/** What handlers do in the simulated world. */
export interface PoolWeather {
  readonly clock: Clock;
  readonly random: Random;
  /** Every handler completes, and soon. */
  calm: boolean;
  readonly onFault: (
    kind: "handler_hangs" | "handler_dies" | "handler_is_slow" | "outcome_after_death",
  ) => void;
  readonly onStart: (request: RunRequest) => void;
  readonly onBroken: (law: string) => void;
}

interface Run {
  readonly request: RunRequest;
  readonly resolve: (outcome: RunOutcome) => void;
  timer: Timer | null;
}

/** The action that lives in a module, and has a thread for itself. */
export const MODULE_ACTION = "work";

export const outputOf = (taskId: string, token: number): Uint8Array => packValue({ taskId, token });
/** What an attempt writes to its task's log. */
export const lineOf = ({ taskId, attempt }: Pick<AttemptName, "taskId" | "attempt">): string =>
  `attempt ${attempt} of ${taskId}`;
export const failureOf = (taskId: string): ReturnType<typeof toWireError> =>
  toWireError(fault("HANDLER_FAILED", { action: "any", text: `${taskId} cannot be done` }));

const cancelled = (taskId: string): ReturnType<typeof toWireError> =>
  toWireError(fault("CANCELLED", { what: taskId, reason: "it was told to stop" }));

/** Handlers whose luck a seed decides: they complete, fail, take long, hang, or lose their thread. */
export class SimulatedPool implements ComputePool {
  readonly capacity: ComputePool["capacity"];
  readonly #weather: PoolWeather;
  readonly #runs = new Map<string, Run>();
  readonly #onLog: PoolOptions["onLog"];
  /** Lines that their attempts have written, and that have not arrived yet. */
  readonly #lines = new Set<Timer>();
  #closed = false;

  constructor({ threads, onLog }: PoolOptions, sharedPerThread: number, weather: PoolWeather) {
    this.capacity = { threads, shared: threads * sharedPerThread };
    this.#onLog = onLog;
    this.#weather = weather;
  }

  get running(): number {
    return this.#runs.size;
  }

  describe(): Promise<readonly HandlerInfo[]> {
    const info = (name: string, isolation: HandlerInfo["isolation"]): HandlerInfo => ({
      name,
      description: "",
      module: "built-in",
      timeoutMs: null,
      moduleSha256: null,
      isolation,
    });
    return Promise.resolve([info("echo", "shared"), info(MODULE_ACTION, "thread")]);
  }

  run(request: RunRequest): Promise<RunOutcome> {
    const { onStart, onBroken } = this.#weather;
    if (this.#closed) return Promise.resolve({ kind: "interrupted", why: "the pool was closed" });
    onStart(request);
    this.#write(request);
    if (this.#runs.has(request.taskId)) onBroken(`${request.taskId} runs twice at once`);
    const place = request.place === "thread" ? "threads" : "shared";
    let others = 0;
    for (const run of this.#runs.values()) if (run.request.place === request.place) others += 1;
    if (others >= this.capacity[place])
      onBroken(`more handlers at once than ${this.capacity[place]} ${place}`);
    return new Promise((resolve) => {
      const run: Run = { request, resolve, timer: null };
      this.#runs.set(request.taskId, run);
      this.#cast(run);
    });
  }

  cancel(taskId: string, { graceMs }: { readonly graceMs: number }): boolean {
    const run = this.#runs.get(taskId);
    if (!run) return false;
    run.timer?.cancel();
    const chance = this.#weather.random.next();
    // It may have been on its last line.
    if (chance < 0.15) this.#after(run, 0, this.#completed(run));
    else if (chance < 0.3) this.#after(run, graceMs / 2, { kind: "failed", error: failureOf(taskId) });
    else this.#after(run, chance * graceMs, { kind: "cancelled", error: cancelled(taskId) });
    return true;
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const line of this.#lines) line.cancel();
    for (const run of this.#runs.values()) {
      run.timer?.cancel();
      const isLate = this.#weather.random.next() < 0.5;
      if (isLate) this.#weather.onFault("outcome_after_death");
      this.#end(run, isLate ? this.#completed(run) : { kind: "interrupted", why: "the pool was closed" });
    }
    return Promise.resolve();
  }

  /** Some lines arrive when their attempt is long over. */
  #write({ taskId, token, attempt }: RunRequest): void {
    const { clock, random } = this.#weather;
    if (random.next() < 0.7) return;
    const by = { taskId, token, attempt };
    const line = clock.at(clock.now() + Math.floor(random.next() * 1_000), () => {
      this.#lines.delete(line);
      this.#onLog?.(by, "info", lineOf(by), {});
    });
    this.#lines.add(line);
  }

  /** Decides what becomes of a run. */
  #cast(run: Run): void {
    const { calm, random, onFault } = this.#weather;
    const { taskId, timeoutMs } = run.request;
    const chance = random.next();
    const durationMs = calm ? 1 : Math.floor(random.next() * random.next() * 400);
    if (calm || chance < 0.6) return this.#after(run, durationMs, this.#completed(run));
    if (chance < 0.78) return this.#after(run, durationMs, { kind: "failed", error: failureOf(taskId) });
    if (chance < 0.86) {
      onFault("handler_dies");
      return this.#after(run, durationMs, { kind: "interrupted", why: "its thread died" });
    }
    const lateMs = Math.min(timeoutMs, 60_000);
    if (chance < 0.95) {
      onFault("handler_is_slow");
      return this.#after(run, Math.floor(random.next() * lateMs), this.#completed(run));
    }
    onFault("handler_hangs");
    this.#after(run, timeoutMs, { kind: "failed", error: failureOf(taskId) });
  }

  #after(run: Run, delayMs: number, outcome: RunOutcome): void {
    const { clock } = this.#weather;
    run.timer = clock.at(clock.now() + delayMs, () => this.#end(run, outcome));
  }

  #end(run: Run, outcome: RunOutcome): void {
    this.#runs.delete(run.request.taskId);
    run.resolve(outcome);
  }

  #completed({ request }: Run): RunOutcome {
    return { kind: "completed", output: outputOf(request.taskId, request.token) };
  }
}
