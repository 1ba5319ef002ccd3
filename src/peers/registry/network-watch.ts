import type { RefOf } from "../../actor/index.ts";
import { isFault } from "../../errors/index.ts";
import { withScope, type Clock, type Random } from "../../scope/index.ts";
import type { Log } from "../../telemetry/index.ts";
import type { ConnectionInfo, Network, PeerHint, PeerRequest } from "../network.protocol.ts";

/** Whoever follows the network's actor. */
export interface NetworkListener {
  /**
   * The network is there, and its events are heard from now on; what was before is not told.
   *
   * @param life aborts when this life of the network is over
   */
  up(life: AbortSignal): Promise<void>;
  /** It has gone, with all its connections. */
  down(): void;
  connected(info: ConnectionInfo): void;
  disconnected(event: { readonly peerId: string; readonly why: string }): void;
  readdressed(): void;
  heard(record: Uint8Array): void;
  sighted(hint: PeerHint): void;
  requested(request: PeerRequest): void;
}

export interface WatchServices {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** Events that may wait while the registry is busy. */
const BUFFER = 16_384;
const PAUSE_MS = 250;
const PAUSE_MS_MAX = 10_000;

/** Follows the network until the signal aborts or it is stopped for good. When it restarts, it begins anew. */
export async function watchNetwork(
  network: RefOf<typeof Network>,
  listener: NetworkListener,
  { clock, random, signal, log }: WatchServices,
): Promise<void> {
  for (let tries = 0; !signal.aborted; tries++) {
    const startedMs = clock.now();
    try {
      await network.ready({ signal });
      await listen(network, listener, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!isFault(error)) throw error;
      if (isFault(error, "ACTOR_STOPPED"))
        return log.warn("the network has been stopped; peers are not followed");
      if (isFault(error, "UNAVAILABLE"))
        return log.warn("the network is not there; peers are not followed", { why: error.message });
      log.info("the network is waited for", { why: error.message });
    }
    // One that has run for a while is waited for without a pause; one that dies at once is not asked all the time.
    if (clock.now() - startedMs > PAUSE_MS_MAX) tries = 0;
    const pauseMs = Math.min(PAUSE_MS * 2 ** tries, PAUSE_MS_MAX) * (0.5 + random.next() / 2);
    await withScope({ signal, clock }, (scope) => scope.sleep(pauseMs)).catch(() => undefined);
  }
}

/** Rejects with whatever ended the first of the streams. */
async function listen(
  network: RefOf<typeof Network>,
  listener: NetworkListener,
  signal: AbortSignal,
): Promise<void> {
  const ended = new AbortController();
  const life = AbortSignal.any([signal, ended.signal]);
  const options = { signal: life, buffer: BUFFER };
  const follow = async <T>(events: AsyncIterable<T>, tell: (event: T) => void): Promise<void> => {
    for await (const event of events) tell(event);
  };
  const { on } = network;
  const streams = [
    follow(on.connected(options), (info) => listener.connected(info)),
    follow(on.disconnected(options), (event) => listener.disconnected(event)),
    follow(on.readdressed(options), () => listener.readdressed()),
    follow(on.heard(options), ({ record }) => listener.heard(record)),
    follow(on.sighted(options), (hint) => listener.sighted(hint)),
    follow(on.requested(options), (request) => listener.requested(request)),
  ];
  try {
    // After subscribing, so that nothing falls between what is looked up and what is told.
    await Promise.race([...streams, listener.up(life).then(() => Promise.race(streams))]);
  } finally {
    ended.abort();
    await Promise.allSettled(streams);
    listener.down();
  }
}
