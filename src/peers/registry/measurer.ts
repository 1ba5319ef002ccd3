import { isFault } from "../../errors/index.ts";
import type { Timer } from "../../scope/index.ts";
import type { ConnectionInfo } from "../network.protocol.ts";
import type { PeerEntry } from "./peer-entry.ts";
import { isUnspoken, type PeerExchange } from "./peer-exchange.ts";
import type { RegistryContext } from "./registry-context.ts";
import type { RegistryFile } from "./registry-file.ts";

export const MEASURE_MS = 10_000;
const PING_MS = 5_000;
/** Peers that are pinged at once. */
const PINGED_AT_ONCE = 16;
const SAMPLE_EVERY_MS = 600_000;
/** Peers that are sampled in one round: two transfers at a time would measure each other. */
const SAMPLED_AT_ONCE = 1;
const SMALL_SAMPLE_BYTES = 65_536;
const LARGE_SAMPLE_BYTES = 262_144;
const LARGE_SAMPLES = 4;
/** A small sample that took longer says enough. */
const QUICK_MS = 125;
/** Rounds after which the points of the hour are written. */
const ROUNDS_PER_WRITE = 6;

export interface MeasurerOptions {
  readonly everyMs: number;
  // What a look at the connections finds, whether or not an event has told it already.
  connected(info: ConnectionInfo): void;
  lost(peerId: string): void;
}

/** Measures the connected peers, one round every ten seconds. */
export class Measurer {
  readonly #context: RegistryContext;
  readonly #file: RegistryFile;
  readonly #exchange: PeerExchange;
  /** When each was sampled last. */
  readonly #sampledMs = new Map<string, number>();
  readonly #options: MeasurerOptions;
  #timer: Timer | undefined;
  #rounds = 0;
  #life: AbortSignal | null = null;

  constructor(
    context: RegistryContext,
    file: RegistryFile,
    exchange: PeerExchange,
    options: MeasurerOptions,
  ) {
    this.#context = context;
    this.#file = file;
    this.#exchange = exchange;
    this.#options = options;
  }

  /** @param life of the network's actor */
  up(life: AbortSignal): void {
    this.#life = life;
    this.#arm();
  }

  down(): void {
    this.#life = null;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.keepPoints();
  }

  forget(peerId: string): void {
    this.#sampledMs.delete(peerId);
  }

  /** The points of the present hour are on their way to the store. */
  keepPoints(): void {
    const points = [...this.#context.core.entries()].flatMap(({ peerId, point }) =>
      point === null ? [] : [{ peerId, point }],
    );
    this.#file.keepPoints(points);
    for (const entry of this.#context.core.entries()) if (entry.connection === null) entry.point = null;
  }

  /** Brings what connections have counted up to date; what cannot be asked now stays as it is. */
  async refresh(): Promise<void> {
    const { core, network, now } = this.#context;
    try {
      const { connections } = await network.call.connections(undefined, { timeoutMs: PING_MS });
      const present = new Set(connections.map(({ peerId }) => peerId));
      for (const { peerId, connection } of [...core.entries()])
        if (connection !== null && !present.has(peerId)) this.#options.lost(peerId);
      for (const info of connections) {
        if (core.get(info.peerId)?.connection) core.connected(info, now());
        else this.#options.connected(info);
      }
    } catch (error) {
      if (!isFault(error)) throw error;
    }
  }

  #arm(): void {
    const { clock } = this.#context;
    this.#timer = clock.at(clock.now() + this.#options.everyMs, () => void this.#round());
  }

  async #round(): Promise<void> {
    const life = this.#life;
    if (life === null) return;
    await this.refresh();
    const connected = [...this.#context.core.entries()].filter(({ connection }) => connection !== null);
    await this.#pingAll(connected, life);
    await this.#sampleSome(connected, life);
    const moment = this.#context.now();
    for (const entry of connected) {
      entry.notePoint(moment);
      this.#context.changed(entry.peerId);
    }
    this.#rounds += 1;
    if (this.#rounds % ROUNDS_PER_WRITE === 0) this.keepPoints();
    if (this.#life === life) this.#arm();
  }

  async #pingAll(entries: readonly PeerEntry[], life: AbortSignal): Promise<void> {
    const left = [...entries];
    const pinger = async (): Promise<void> => {
      for (let entry = left.shift(); entry !== undefined && !life.aborted; entry = left.shift())
        await this.#ping(entry, life);
    };
    await Promise.all(Array.from({ length: Math.min(PINGED_AT_ONCE, left.length) }, pinger));
  }

  async #ping({ peerId, figures }: PeerEntry, signal: AbortSignal): Promise<void> {
    const { network, clock } = this.#context;
    try {
      const { rttMs } = await network.call.ping({ peerId }, { signal, timeoutMs: PING_MS });
      figures.ponged(rttMs, clock.now());
    } catch (error) {
      if (isPeersFault(error)) figures.ended("ping", false);
    }
  }

  async #sampleSome(entries: readonly PeerEntry[], life: AbortSignal): Promise<void> {
    const nowMs = this.#context.clock.now();
    const due = entries
      .filter(({ connection }) => connection !== null && !connection.limited)
      .filter(({ peerId }) => nowMs - (this.#sampledMs.get(peerId) ?? -Infinity) >= SAMPLE_EVERY_MS);
    for (const entry of due.slice(0, SAMPLED_AT_ONCE)) {
      if (life.aborted) return;
      this.#sampledMs.set(entry.peerId, nowMs);
      await this.#sample(entry, life);
    }
  }

  /** A small transfer first: over a slow link a large one would be in the way of work. */
  async #sample(entry: PeerEntry, signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    const latencyMs = entry.figures.latencyMs(clock.now()) ?? 0;
    try {
      const small = await this.#transfer(entry.peerId, SMALL_SAMPLE_BYTES, 1, signal);
      const isQuick = small.tookMs < QUICK_MS;
      const { bytes, tookMs } = isQuick
        ? await this.#transfer(entry.peerId, LARGE_SAMPLE_BYTES, LARGE_SAMPLES, signal)
        : small;
      // The way of the question is no time in which bytes were carried; it is never all of it.
      const carriedMs = Math.max(tookMs - latencyMs, tookMs / 10, 0.001);
      if (bytes > 0) entry.figures.sampled((bytes * 8) / 1_000 / carriedMs, clock.now());
    } catch (error) {
      if (isPeersFault(error)) entry.figures.ended("sample", false);
    }
  }

  async #transfer(
    peerId: string,
    sizeBytes: number,
    times: number,
    signal: AbortSignal,
  ): Promise<{ bytes: number; tookMs: number }> {
    const { clock } = this.#context;
    const startedMs = clock.now();
    const sizes = await Promise.all(
      Array.from({ length: times }, () => this.#exchange.sample(peerId, sizeBytes, signal)),
    );
    return { bytes: sizes.reduce((sum, each) => sum + each, 0), tookMs: clock.now() - startedMs };
  }
}

/** Is it the peer, or the way to it, that failed? Not this node, and not a peer that does not speak this. */
function isPeersFault(error: unknown): boolean {
  if (isUnspoken(error)) return false;
  return isFault(error, "DEADLINE_EXCEEDED") || isFault(error, "PEER_LOST") || isFault(error, "PEER_LIMITED");
}
