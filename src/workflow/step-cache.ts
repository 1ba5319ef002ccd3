import type { RefOf } from "../actor/index.ts";
import type { Cache } from "../cache/cache.protocol.ts";
import { isFault } from "../errors/index.ts";
import { METRICS, type Log, type MetricsBlock } from "../telemetry/index.ts";
import type { RunTask } from "./run-step.ts";

export interface StepCacheServices {
  readonly cache: RefOf<typeof Cache>;
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly metrics: MetricsBlock;
}

/** Look-ups of one run at a time. */
const LOOKUPS = 32;
/** A cache that takes longer is as good as none. */
const CACHE_TIMEOUT_MS = 2_000;

interface Lookup {
  readonly task: RunTask;
  readonly key: string;
}

/** The result cache as one run uses it: down, slow or broken, it is a miss. */
export class StepCache {
  readonly #services: StepCacheServices;
  /** Resolves when the output is on disk: no task exists from which it could be read again. */
  readonly #keep: (task: RunTask, output: Uint8Array) => Promise<void>;
  readonly #tell: (task: RunTask, output: Uint8Array | null) => void;
  #waiting: Lookup[] = [];
  #next = 0;
  #lookingUp = 0;

  constructor(
    services: StepCacheServices,
    keep: (task: RunTask, output: Uint8Array) => Promise<void>,
    tell: (task: RunTask, output: Uint8Array | null) => void,
  ) {
    this.#services = services;
    this.#keep = keep;
    this.#tell = tell;
  }

  lookUp(lookup: Lookup): void {
    this.#waiting.push(lookup);
    this.#pump();
  }

  /** Nobody waits for the answers any more. */
  forget(): void {
    this.#waiting = [];
    this.#next = 0;
  }

  async store(key: string, value: Uint8Array, ttlMs: number): Promise<void> {
    const { cache, signal, log } = this.#services;
    try {
      await cache.call.put({ key, value, ttlMs }, { signal, timeoutMs: CACHE_TIMEOUT_MS });
    } catch (error) {
      if (!isFault(error)) throw error;
      log.debug("an output was not cached", { error });
    }
  }

  #pump(): void {
    while (this.#lookingUp < LOOKUPS) {
      const lookup = this.#waiting[this.#next];
      if (lookup === undefined) return this.forget();
      this.#next += 1;
      this.#lookingUp += 1;
      void this.#ask(lookup);
    }
  }

  async #ask({ task, key }: Lookup): Promise<void> {
    const output = await this.#find(task, key);
    this.#lookingUp -= 1;
    if (this.#services.signal.aborted) return;
    if (output !== null) this.#services.metrics.count(METRICS.stepsReused);
    this.#tell(task, output);
    this.#pump();
  }

  async #find(task: RunTask, key: string): Promise<Uint8Array | null> {
    const { cache, signal, log } = this.#services;
    try {
      const found = await cache.call.get({ key }, { signal, timeoutMs: CACHE_TIMEOUT_MS });
      if (!found.hit) return null;
      await this.#keep(task, found.value);
      return found.value;
    } catch (error) {
      if (!isFault(error)) throw error;
      log.debug("a cache look-up failed and counts as a miss", {
        stepId: task.step.definition.stepId,
        error,
      });
      return null;
    }
  }
}
