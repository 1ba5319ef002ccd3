import type { PeerFigures } from "../peers.protocol.ts";
import { DecayedShare, LatestValues, ProbeWindow, medianOf } from "./figure-windows.ts";

const PINGS = 15;
const PINGS_AGE_MS = 600_000;
/** Longer than the pause between two samples. */
const SAMPLE_AGE_MS = 3_600_000;
const HOUR_MS = 3_600_000;

/** A ping says little of whether work will succeed, and there are many of them. */
const PING_WEIGHT = 0.1;

/** Conduct below it, with so much behind it, is the worst: the peer is disconnected. */
const CONDUCT_MIN = 0.2;
const CONDUCT_WEIGHT = 5;

export type Outcome = "dial" | "ping" | "sample" | "exchange";

/** What a connection has counted. */
export interface ConnectionCounters {
  readonly bytes: number;
  readonly requestsServed: number;
}

/** All that was measured of one peer. Times are on the scale of `Clock.now()`, but where they are named wall times. */
export class FigureBook {
  readonly #pings = new LatestValues<number>(PINGS, PINGS_AGE_MS);
  readonly #samples = new LatestValues<number>(1, SAMPLE_AGE_MS);
  readonly probes = new ProbeWindow();
  readonly #reliability = new DecayedShare();
  readonly #conduct = new DecayedShare();
  /** Of connections that have ended. */
  #ended: ConnectionCounters = { bytes: 0, requestsServed: 0 };
  /** Of the present one. */
  #present: ConnectionCounters = { bytes: 0, requestsServed: 0 };

  ponged(rttMs: number, nowMs: number): void {
    this.#pings.add(rttMs, nowMs);
    this.#reliability.add(true, PING_WEIGHT);
  }

  /** @param mbps 10^6 bits in a second */
  sampled(mbps: number, nowMs: number): void {
    this.#samples.add(mbps, nowMs);
    this.#reliability.add(true);
  }

  /** What succeeded without a figure of its own, or failed. */
  ended(what: Outcome, ok: boolean): void {
    this.#reliability.add(ok, what === "ping" ? PING_WEIGHT : 1);
    if (what === "exchange") this.#conduct.add(ok);
  }

  get isWorst(): boolean {
    const { share, weight } = this.#conduct;
    return share !== null && share < CONDUCT_MIN && weight >= CONDUCT_WEIGHT;
  }

  pardon(): void {
    this.#conduct.clear();
  }

  /** What the peer's connections have counted together, which may fall when one of several ends: it is kept. */
  counted({ bytes, requestsServed }: ConnectionCounters): void {
    this.#ended = {
      bytes: this.#ended.bytes + Math.max(0, this.#present.bytes - bytes),
      requestsServed: this.#ended.requestsServed + Math.max(0, this.#present.requestsServed - requestsServed),
    };
    this.#present = { bytes, requestsServed };
  }

  /** The connection has ended, and with it what was measured of it, but for what its counters tell. */
  disconnected(): void {
    this.#ended = this.#total;
    this.#present = { bytes: 0, requestsServed: 0 };
    this.probes.clear();
  }

  get #total(): ConnectionCounters {
    return {
      bytes: this.#ended.bytes + this.#present.bytes,
      requestsServed: this.#ended.requestsServed + this.#present.requestsServed,
    };
  }

  latencyMs(nowMs: number): number | null {
    return medianOf(this.#pings.at(nowMs));
  }

  at(
    nowMs: number,
    connection: { readonly wallNowMs: number; readonly sinceMs: number | null },
  ): PeerFigures {
    const measured = {
      latencyMs: this.latencyMs(nowMs),
      bandwidthMbps: this.#samples.at(nowMs)[0] ?? null,
      lossPercent: this.probes.lossPercent(nowMs),
      reliability: this.#reliability.share,
    };
    const { wallNowMs, sinceMs } = connection;
    const { bytes, requestsServed } = this.#total;
    return {
      ...measured,
      quality: qualityOf(measured),
      uptimeHours: sinceMs === null ? null : Math.max(0, wallNowMs - sinceMs) / HOUR_MS,
      requestsServed,
      bytesTransferred: bytes,
    };
  }
}

/** A latency that halves the quality, and a bandwidth that does. */
const LATENCY_HALF_MS = 100;
const BANDWIDTH_HALF_MBPS = 10;
/** A loss at which nothing is left of it. */
const LOSS_ALL_PERCENT = 20;

/** The geometric mean of what is known, so that one bad figure is not made good by the others. */
export function qualityOf({
  latencyMs,
  lossPercent,
  bandwidthMbps,
  reliability,
}: Pick<PeerFigures, "latencyMs" | "lossPercent" | "bandwidthMbps" | "reliability">): number | null {
  if (latencyMs === null) return null;
  const factors = [
    LATENCY_HALF_MS / (LATENCY_HALF_MS + latencyMs),
    lossPercent === null ? null : Math.max(0, 1 - lossPercent / LOSS_ALL_PERCENT),
    bandwidthMbps === null ? null : bandwidthMbps / (bandwidthMbps + BANDWIDTH_HALF_MBPS),
    reliability,
  ].filter((factor) => factor !== null);
  return factors.reduce((product, factor) => product * factor, 1) ** (1 / factors.length);
}
