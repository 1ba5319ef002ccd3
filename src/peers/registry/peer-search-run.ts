import { unlessAborted } from "../../scope/index.ts";
import type { Finding, PeerSearch } from "../discovery/discovery-source.ts";
import type { Discovery } from "../discovery/discovery.ts";
import type { RecordSource, SourceReport } from "../peers.protocol.ts";
import type { PeerEntry } from "./peer-entry.ts";
import type { RecordIntake } from "./record-intake.ts";
import type { RegistryContext } from "./registry-context.ts";

/** Peers of whom only a hint is known that one search dials, to have their records from themselves. */
const DIALLED_MAX = 64;
const DIALLED_AT_ONCE = 8;
/** Sources that are not asked: what they tell comes by itself. */
const HEARD: readonly RecordSource[] = ["mdns", "gossip", "connection"];

export interface PeerSearchServices {
  readonly context: RegistryContext;
  readonly discovery: Discovery;
  readonly intake: RecordIntake;
  /** Dials a known peer, and asks for its record. Never rejects. */
  readonly dial: (peerId: string, leftMs: number, life: AbortSignal) => Promise<void>;
}

/** One search: all sources at once, and beside them the peers that they only hint at. */
export class PeerSearchRun {
  readonly #services: PeerSearchServices;
  readonly #waiting: string[] = [];
  readonly #seen = new Set<string>();
  /** Everything that the search waits for, beside the sources. */
  readonly #work = new Set<Promise<void>>();
  #dialling = 0;

  constructor(services: PeerSearchServices) {
    this.#services = services;
  }

  /** Resolves when all is done or the time is up. Never rejects. */
  async search(search: PeerSearch, timeoutMs: number, life: AbortSignal): Promise<SourceReport[]> {
    const { context, discovery } = this.#services;
    const { clock } = context;
    const deadlineMs = clock.now() + timeoutMs;
    const over = new AbortController();
    const signal = AbortSignal.any([life, over.signal]);
    const timer = clock.at(deadlineMs, () => over.abort());
    try {
      for (const entry of context.core.entries()) this.#consider(entry, deadlineMs, signal);
      const reports = await discovery.search(search, timeoutMs, signal, (finding, source) =>
        this.#found(finding, source, deadlineMs, signal),
      );
      await this.#settled(signal);
      return [...reports, ...this.#heard(reports)].filter(
        ({ found, failure, source }) =>
          // Whether there is a table or a neighbour at all is the network's affair.
          found > 0 || failure !== null || source === "local_file" || source === "github",
      );
    } finally {
      timer.cancel();
      over.abort();
    }
  }

  #found(finding: Finding, source: RecordSource, deadlineMs: number, signal: AbortSignal): void {
    const { context, intake } = this.#services;
    if (finding.kind === "record") {
      this.#wait(intake.take(finding.sealed, source).then(() => undefined));
      return;
    }
    const entry = context.core.hint(finding.hint, context.now());
    if (entry !== undefined) this.#consider(entry, deadlineMs, signal);
  }

  /** A peer that has not said yet what it can do is asked, if it can be. */
  #consider(entry: PeerEntry, deadlineMs: number, signal: AbortSignal): void {
    const { peerId, record, connection } = entry;
    if (record !== null || connection !== null || this.#seen.has(peerId)) return;
    if (this.#seen.size >= DIALLED_MAX) return;
    this.#seen.add(peerId);
    this.#waiting.push(peerId);
    this.#dialNext(deadlineMs, signal);
  }

  #dialNext(deadlineMs: number, signal: AbortSignal): void {
    if (this.#dialling >= DIALLED_AT_ONCE || signal.aborted) return;
    const peerId = this.#waiting.shift();
    if (peerId === undefined) return;
    this.#dialling += 1;
    const leftMs = Math.max(1, deadlineMs - this.#services.context.clock.now());
    const dialled = this.#services.dial(peerId, leftMs, signal).finally(() => {
      this.#dialling -= 1;
      this.#dialNext(deadlineMs, signal);
    });
    this.#wait(dialled);
  }

  #wait(work: Promise<void>): void {
    const kept = work.finally(() => this.#work.delete(kept));
    this.#work.add(kept);
  }

  /** Until no work is left or the time is up: work may make more work. */
  async #settled(signal: AbortSignal): Promise<void> {
    while (this.#work.size > 0 && !signal.aborted)
      await unlessAborted(Promise.all(this.#work), signal).catch(() => undefined);
  }

  /** How many the sources have told of that are not asked. */
  #heard(reports: readonly SourceReport[]): SourceReport[] {
    const asked = new Map(reports.map((report) => [report.source, report.found]));
    return HEARD.filter((source) => (asked.get(source) ?? 0) === 0).map((source) => {
      const entries = [...this.#services.context.core.entries()];
      const found = entries.filter(({ sources }) => sources.has(source)).length;
      return { source, found, failure: null, tookMs: 0 };
    });
  }
}
