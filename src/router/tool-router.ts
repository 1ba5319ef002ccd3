import { LIMITS, isFault } from "../errors/index.ts";
import { Slots } from "../executor/index.ts";
import { failAfter, systemClock, type Clock, type Scope, type Timer } from "../scope/index.ts";
import type { ToolMeasurement } from "./router.protocol.ts";
import { RuntimeDetector } from "./runtime-detection.ts";
import type { Runtime, ToolMetadata } from "./tool-metadata.ts";
import { ToolRegistry, type RoutedTool } from "./tool-registry.ts";

export interface ToolRouterOptions {
  /** Told of each call that has ended; must not throw. Default: nobody is told. */
  readonly report?: (measurement: ToolMeasurement) => void;
  /** Calls of runtime `general` that run at once; default 64. */
  readonly slots?: number;
  readonly clock?: Clock;
}

export interface RunOptions {
  /** Of this call, waiting for a slot and further attempts included. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** One call, from its detection to its measurement. */
export interface RoutedCall {
  readonly runtime: Runtime;
  /**
   * Does the work where it belongs, once; or a few times, where the tool's metadata say that it may be.
   *
   * @param work gets the signal that ends it
   * @throws DEADLINE_EXCEEDED; CANCELLED; EXECUTOR_FULL when too many wait for a slot; else what the work threw last
   */
  run<T>(options: RunOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** The call has ended: it is reported with the time since its begin. */
  end(ok: boolean): void;
}

/** Before the second attempt; the next pause is as long again, or twice as long. */
const PAUSE_MS = 100;

/**
 * Carries out calls of tools: finds where they run, gives them their time, repeats what may be repeated, and measures them.
 * It is a value of the process that makes the calls; the figures are kept by whoever is told of them.
 */
export class ToolRouter {
  readonly registry = new ToolRegistry();
  readonly #detector = new RuntimeDetector(this.registry);
  readonly #slots: Slots;
  readonly #report: ToolRouterOptions["report"];
  readonly #clock: Clock;

  constructor({ report, slots = LIMITS.router.slots, clock = systemClock }: ToolRouterOptions = {}) {
    this.#slots = new Slots(slots, LIMITS.router.waiting);
    this.#report = report;
    this.#clock = clock;
  }

  /** Those of the same name are replaced. */
  register(tools: Iterable<RoutedTool>): void {
    for (const tool of tools) {
      this.registry.register(tool);
      this.#detector.forget(tool.name);
    }
  }

  /** Its runtime is found, and its time begins. */
  begin(tool: RoutedTool): RoutedCall {
    const { name, metadata } = tool;
    const { runtime, by } = this.#detector.detect(name, tool);
    const startMs = this.#clock.now();
    return {
      runtime,
      run: ({ timeoutMs, signal }, work) =>
        failAfter(timeoutMs, (scope) => this.#attempts(scope, metadata, runtime, work), {
          signal,
          name,
          clock: this.#clock,
        }),
      end: (ok) => this.#report?.({ tool: name, runtime, by, durationMs: this.#clock.now() - startMs, ok }),
    };
  }

  async #attempts<T>(
    scope: Scope,
    metadata: ToolMetadata,
    runtime: Runtime,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await (runtime === "general"
          ? this.#inSlot(scope, work)
          : unlessLeft(scope, work(scope.signal)));
      } catch (error) {
        const pauseMs = pauseAfter(metadata, attempt);
        // A pause that the deadline would cut would put DEADLINE_EXCEEDED in the place of the tool's own error.
        if (pauseMs >= scope.remainingMs() || !(isFault(error) && error.retryable)) throw error;
        await scope.sleep(pauseMs);
      }
    }
  }

  /** Work that is left to itself keeps its slot: so much of it there can be, and no more. */
  async #inSlot<T>(scope: Scope, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    await this.#slots.startEach(scope, [() => work(scope.signal).then(resolve, reject)]);
    return unlessLeft(scope, promise);
  }
}

/**
 * Waits for the end of a piece of work, also when its scope is cancelled: what was done in spite of that is told as done.
 * But only so long: a tool that ignores its signal would else hold up its caller for ever.
 */
async function unlessLeft<T>({ signal, clock }: Scope, work: Promise<T>): Promise<T> {
  const left = Promise.withResolvers<never>();
  let timer: Timer | undefined;
  const onAbort = (): void => {
    timer = clock.at(clock.now() + LIMITS.router.graceMs, () => left.reject(signal.reason));
  };
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, left.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    timer?.cancel();
  }
}

/** In milliseconds; `Infinity`: there is no further attempt. */
function pauseAfter({ idempotent, retryPolicy }: ToolMetadata, attempt: number): number {
  if (!idempotent || retryPolicy === "none" || attempt >= LIMITS.router.attempts) return Infinity;
  return PAUSE_MS * (retryPolicy === "linear" ? attempt : 2 ** (attempt - 1));
}
