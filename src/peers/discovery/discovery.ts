import { isCancellation, sentenceOf } from "../../errors/index.ts";
import { unlessAborted, type Clock } from "../../scope/index.ts";
import type { Log } from "../../telemetry/index.ts";
import type { RecordSource, SourceReport } from "../peers.protocol.ts";
import type { Announcement, Count, DiscoverySource, Finding, PeerSearch } from "./discovery-source.ts";

/** How long one source may take, whatever time its caller has. */
export const SOURCE_MS = 30_000;

export interface DiscoveryServices {
  readonly clock: Clock;
  readonly log: Log;
  readonly count: Count;
}

/**
 * Asks and tells all sources at once. Each has a deadline of its own, and none waits for another: one that fails, or never
 * answers, costs nothing but its own findings.
 */
export class Discovery {
  readonly #sources: readonly DiscoverySource[];
  readonly #services: DiscoveryServices;
  /** What each said when it failed last, so that a failure that lasts is logged once. */
  readonly #failing = new Map<RecordSource, string>();

  constructor(sources: readonly DiscoverySource[], services: DiscoveryServices) {
    this.#sources = sources;
    this.#services = services;
  }

  /**
   * Resolves when every source has ended or the time is up. Never rejects, unless `found` does.
   *
   * @param found called with each finding as it comes; what comes after the end is dropped
   */
  async search(
    search: PeerSearch,
    timeoutMs: number,
    life: AbortSignal,
    found: (finding: Finding, source: RecordSource) => void,
  ): Promise<SourceReport[]> {
    const asked = this.#sources.map(async (source) => {
      const startedMs = this.#services.clock.now();
      let count = 0;
      const failure = await this.#bounded(source, Math.min(timeoutMs, SOURCE_MS), life, async (signal) => {
        for await (const finding of source.find(search, signal)) {
          if (signal.aborted) break;
          count += 1;
          found(finding, source.name);
        }
      });
      return {
        source: source.name,
        found: count,
        failure,
        tookMs: this.#services.clock.now() - startedMs,
      };
    });
    return Promise.all(asked);
  }

  async announce(own: Announcement, life: AbortSignal): Promise<void> {
    await this.#each(life, SOURCE_MS, (source, signal) => source.announce(own, signal));
  }

  /** @param timeoutMs of each; they go on at once */
  async withdraw(peerId: string, timeoutMs: number, life: AbortSignal): Promise<void> {
    await this.#each(life, timeoutMs, (source, signal) => source.withdraw(peerId, signal));
  }

  async sweep(life: AbortSignal): Promise<void> {
    await this.#each(life, SOURCE_MS, async (source, signal) => {
      this.#services.count(`swept_${source.name}`, await source.sweep(signal));
    });
  }

  async #each(
    life: AbortSignal,
    timeoutMs: number,
    run: (source: DiscoverySource, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    await Promise.all(
      this.#sources.map((source) => this.#bounded(source, timeoutMs, life, (signal) => run(source, signal))),
    );
  }

  /** @returns what went wrong, in one sentence; null: nothing. Work that ignores its signal is left to itself. */
  async #bounded(
    source: DiscoverySource,
    timeoutMs: number,
    life: AbortSignal,
    run: (signal: AbortSignal) => Promise<void>,
  ): Promise<string | null> {
    const { clock } = this.#services;
    const limit = new AbortController();
    const timer = clock.at(clock.now() + timeoutMs, () => limit.abort());
    const signal = AbortSignal.any([life, limit.signal]);
    try {
      await unlessAborted(run(signal), signal);
      this.#failing.delete(source.name);
      return null;
    } catch (error) {
      const isLate = limit.signal.aborted;
      if (life.aborted || (!isLate && isCancellation(error))) return "the search was ended";
      const why = isLate ? `it did not end within ${Math.round(timeoutMs)} ms` : sentenceOf(error);
      this.#failed(source.name, why);
      return why;
    } finally {
      timer.cancel();
      // Whatever still runs stops, also when it was left to itself.
      limit.abort();
    }
  }

  #failed(source: RecordSource, why: string): void {
    this.#services.count(`failed_${source}`);
    if (this.#failing.get(source) === why) return;
    this.#failing.set(source, why);
    this.#services.log.warn("a source of peers could not be asked or told", { source, why });
  }
}
