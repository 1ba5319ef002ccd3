import type { RefOf } from "../../actor/index.ts";
import { isFault } from "../../errors/index.ts";
import type { Clock } from "../../scope/index.ts";
import type { Network } from "../network.protocol.ts";

/** Whoever follows who is connected. */
export interface ConnectionListener {
  /** Exactly these are connected. */
  standing(peerIds: readonly string[]): void;
  connected(peerId: string): void;
  disconnected(peerId: string): void;
  readdressed(): void;
}

interface WatchServices {
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Pauses before the network is followed again that did not answer, doubled from the first to the longest. */
const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 5_000;

/**
 * Follows the connections of the node until the signal aborts or the network is stopped for good. When it restarts, or
 * events are lost, nobody counts as connected until it has been asked anew.
 */
export async function watchConnections(
  network: RefOf<typeof Network>,
  listener: ConnectionListener,
  services: WatchServices,
): Promise<void> {
  const { signal } = services;
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      await network.ready({ signal });
      await follow(network, listener, signal, () => (tries = 0));
    } catch (error) {
      if (signal.aborted) return;
      if (!isFault(error)) throw error;
      listener.standing([]);
      if (isFault(error, "ACTOR_STOPPED")) return;
    }
    await pause(Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** tries), services);
  }
}

async function follow(
  network: RefOf<typeof Network>,
  listener: ConnectionListener,
  life: AbortSignal,
  answered: () => void,
): Promise<void> {
  const others = new AbortController();
  const end = (): void => others.abort();
  life.addEventListener("abort", end, { once: true });
  const { signal } = others;
  const each = async <T>(events: AsyncIterable<T>, tell: (event: T) => void): Promise<void> => {
    for await (const event of events) tell(event);
  };
  const streams = [
    each(network.on.connected({ signal }), ({ peerId }) => listener.connected(peerId)),
    each(network.on.disconnected({ signal }), ({ peerId }) => listener.disconnected(peerId)),
    each(network.on.readdressed({ signal }), () => listener.readdressed()),
  ];
  try {
    // After subscribing, so that nothing falls between what is asked and what is told.
    listener.standing(await connectedPeers(network, signal));
    answered();
    await Promise.race(streams);
  } finally {
    life.removeEventListener("abort", end);
    end();
    await Promise.allSettled(streams);
  }
}

/** A peer may have several connections. */
export async function connectedPeers(network: RefOf<typeof Network>, signal: AbortSignal): Promise<string[]> {
  const { connections } = await network.call.connections(undefined, { signal });
  return [...new Set(connections.map(({ peerId }) => peerId))];
}

function pause(ms: number, { clock, signal }: WatchServices): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = clock.at(clock.now() + ms, end);
    signal.addEventListener("abort", end, { once: true });
  });
}
