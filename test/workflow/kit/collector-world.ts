import { Reference, packValue } from "../../../src/codec/index.ts";
import { touchValues } from "../../../src/compute/values.ts";
import { LIMITS, fault } from "../../../src/errors/index.ts";
import { QueueTime } from "../../../src/queue/queue-time.ts";
import type { LookPlace } from "../../../src/store/index.ts";
import { createLog } from "../../../src/telemetry/index.ts";
import { BlobCollector, type CollectorServices } from "../../../src/workflow/blob-collector.ts";
import { manualClock } from "../../kit/manual-clock.ts";
import { MemoryBlobs } from "./memory-blobs.ts";

export const OWNERS = ["queue", "cache", "scheduler"] as const;
export type OwnerName = (typeof OWNERS)[number];

/** Rows of one file by their keys, each with the address it names. */
type Rows = Map<number, string>;

/** An attempt whose handler stores values before it returns. */
interface Attempt {
  readonly sinceMs: number;
  readonly kept: string[];
}

/** Owners of rows, handlers and a collector, each of which can do something at any moment of what the others do. */
export class CollectorWorld {
  readonly clock = manualClock();
  readonly blobs = new MemoryBlobs(this.clock);
  readonly rows: Record<OwnerName, Rows> = { queue: new Map(), cache: new Map(), scheduler: new Map() };
  readonly attempts: Attempt[] = [];
  /** Every value that was ever put, and what it names. */
  readonly known = new Map<string, readonly string[]>();
  /** Values that were made young, and whose rows are being written. */
  readonly pending: { readonly owner: OwnerName; readonly address: string; readonly sinceMs: number }[] = [];
  /** What happens at the next moments at which others have their turn. */
  script: (() => Promise<void>)[] = [];
  /** An owner that does not answer. */
  silent: OwnerName | null = null;
  collector: BlobCollector;
  readonly #time = new QueueTime(this.clock);
  #life = new AbortController();
  #keys = 0;

  constructor() {
    this.blobs.meanwhile = () => this.#meanwhile();
    this.collector = this.#open();
  }

  // --- what owners and handlers do ------------------------------------------------------------------------------------

  /** What a value names is made young before it: as at the end of an attempt. */
  async put(text: string, names: readonly string[] = []): Promise<string> {
    await touchValues(names, this.blobs);
    const value = { text, names: names.map((each) => new Reference(each, 1)) };
    const { sha256 } = await this.blobs.put(packValue(value));
    this.known.set(sha256, names);
    return sha256;
  }

  name(owner: OwnerName, address: string): void {
    this.pending.push({ owner, address, sinceMs: this.clock.now() });
  }

  commit(): void {
    const next = this.pending.shift();
    if (next) this.rows[next.owner].set((this.#keys += 1), next.address);
  }

  begin(): void {
    this.attempts.push({ sinceMs: this.#time.now(), kept: [] });
  }

  /** What it has kept becomes part of its output. */
  async end(text: string): Promise<void> {
    const [attempt] = this.attempts;
    if (!attempt) return;
    const output = await this.put(text, attempt.kept);
    this.name("queue", output);
    this.attempts.shift();
  }

  async advance(ms: number): Promise<void> {
    // No row takes longer to write than values are young.
    for (const { sinceMs } of [...this.pending]) {
      if (this.clock.now() + ms - sinceMs >= LIMITS.store.collectedAgeMs) this.commit();
    }
    await this.clock.advance(ms);
  }

  // --- what is true ---------------------------------------------------------------------------------------------------

  /** What rows name, attempts have kept, or somebody is about to write a row for; and what is named within that. */
  needed(): Set<string> {
    const roots = [
      ...OWNERS.flatMap((owner) => [...this.rows[owner].values()]),
      ...this.pending.map(({ address }) => address),
      ...this.attempts.flatMap(({ kept }) => kept),
    ];
    const found = new Set<string>();
    for (const address of roots) {
      if (found.has(address)) continue;
      found.add(address);
      roots.push(...(this.known.get(address) ?? []));
    }
    return found;
  }

  get missing(): string[] {
    return [...this.needed()].filter((address) => !this.blobs.values.has(address));
  }

  // --- the collector --------------------------------------------------------------------------------------------------

  /** Its life ends wherever it is, and the next one begins. */
  restart(): void {
    this.#life.abort(fault("CANCELLED", { what: "the scheduler" }));
    this.#life = new AbortController();
    this.collector = this.#open();
    // As the scheduler does it.
    void this.collector.hold(LIMITS.store.collectedAgeMs);
  }

  #open(): BlobCollector {
    const { clock, blobs } = this;
    const part = async (owner: OwnerName, { after }: LookPlace) => {
      await this.#meanwhile();
      if (this.silent === owner) throw fault("ACTOR_RESTARTING", { actor: owner });
      const key = [...this.rows[owner].keys()].find((each) => each > after);
      const address = key === undefined ? undefined : this.rows[owner].get(key);
      const nowMs = this.#time.now();
      const answer = {
        addresses: address === undefined ? [] : [address],
        next: key === undefined ? null : { table: 0, after: key },
        attemptMs: this.attempts.reduce((oldest, { sinceMs }) => Math.max(oldest, nowMs - sinceMs), 0),
      };
      await this.#meanwhile();
      return answer;
    };
    const ask = (owner: OwnerName) => ({
      call: { references: ({ from }: { from: LookPlace }) => part(owner, from) },
    });
    const services = {
      blobs,
      clock,
      queue: ask("queue"),
      cache: ask("cache"),
      rows: { references: (from: LookPlace) => part("scheduler", from) },
      signal: this.#life.signal,
      log: createLog({ component: "scheduler", clock, sink: () => {} }),
    };
    // Of the other actors it knows no more than this.
    return new BlobCollector(services as unknown as CollectorServices);
  }

  async #meanwhile(): Promise<void> {
    await this.script.shift()?.();
  }
}
