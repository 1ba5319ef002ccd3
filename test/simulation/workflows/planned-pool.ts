import { packValue, unpackValue } from "../../../src/codec/index.ts";
import type { ComputePool, HandlerInfo, RunOutcome, RunRequest } from "../../../src/compute/index.ts";
import { fault, toWireError } from "../../../src/errors/index.ts";
import type { Clock, Random, Timer } from "../../../src/scope/index.ts";
import type { Labour } from "../../crash/planned-run.ts";

/** What handlers suffer, and who is told. */
export interface Weather {
  readonly clock: Clock;
  readonly random: Random;
  /** No handler loses its thread any more. */
  calm: boolean;
  readonly onStart: (request: RunRequest) => void;
  readonly onDeath: () => void;
}

interface Run {
  readonly request: RunRequest;
  readonly resolve: (outcome: RunOutcome) => void;
  timer: Timer | null;
}

const WORK_MS_MAX = 300;

/** Handlers that do what the plan of their run says, as long as it pleases the seed; some lose their thread. */
export class PlannedPool implements ComputePool {
  readonly capacity = { threads: 2, shared: 8 };
  readonly #weather: Weather;
  readonly #runs = new Map<string, Run>();
  #closed = false;

  constructor(weather: Weather) {
    this.#weather = weather;
  }

  get running(): number {
    return this.#runs.size;
  }

  describe(): Promise<readonly HandlerInfo[]> {
    const info = (name: string): HandlerInfo => ({
      name,
      description: "",
      module: "built-in",
      timeoutMs: null,
      moduleSha256: null,
      isolation: "shared",
    });
    return Promise.resolve([info("labour"), info("transform")]);
  }

  run(request: RunRequest): Promise<RunOutcome> {
    if (this.#closed) return Promise.resolve({ kind: "interrupted", why: "the pool was closed" });
    const { clock, random, calm, onStart, onDeath } = this.#weather;
    onStart(request);
    const dies = !calm && random.next() < 0.05;
    if (dies) onDeath();
    const outcome: RunOutcome = dies ? { kind: "interrupted", why: "its thread died" } : outcomeOf(request);
    const { promise, resolve } = Promise.withResolvers<RunOutcome>();
    const run: Run = { request, resolve, timer: null };
    this.#runs.set(request.taskId, run);
    const tookMs = calm ? 1 : Math.floor(random.next() * WORK_MS_MAX);
    run.timer = clock.at(clock.now() + tookMs, () => this.#end(run, outcome));
    return promise;
  }

  cancel(taskId: string): boolean {
    const run = this.#runs.get(taskId);
    if (!run) return false;
    run.timer?.cancel();
    const error = toWireError(fault("CANCELLED", { what: taskId, reason: "it was told to stop" }));
    this.#end(run, { kind: "cancelled", error });
    return true;
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const run of this.#runs.values()) {
      run.timer?.cancel();
      this.#end(run, { kind: "interrupted", why: "the pool was closed" });
    }
    return Promise.resolve();
  }

  #end(run: Run, outcome: RunOutcome): void {
    this.#runs.delete(run.request.taskId);
    run.resolve(outcome);
  }
}

function outcomeOf({ action, input, attempt }: RunRequest): RunOutcome {
  const given = unpackValue(input);
  if (action === "transform") {
    // The plans have two conditions only.
    const { expression } = given as { expression: string };
    return { kind: "completed", output: packValue(expression.includes("(true")) };
  }
  const { name, item, fails } = given as Labour;
  if (attempt > (fails[Number(item)] ?? 0)) return { kind: "completed", output: packValue({ name, item }) };
  return {
    kind: "failed",
    error: toWireError(fault("HANDLER_FAILED", { action, text: `${name} fails as planned` })),
  };
}
