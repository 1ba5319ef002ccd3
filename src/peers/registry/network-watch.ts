import { followActor, type RefOf } from "../../actor/index.ts";
import type { Patience } from "../../scope/index.ts";
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

/** Follows the network until the signal aborts or it is stopped for good. */
export async function watchNetwork(
  network: RefOf<typeof Network>,
  listener: NetworkListener,
  { clock, signal, log }: Patience & { readonly log: Log },
): Promise<void> {
  const { on } = network;
  let wasUp = false;
  const stopped = await followActor(
    network,
    async ({ signal: life, hear }) => {
      hear(on.connected, (info) => listener.connected(info));
      hear(on.disconnected, (event) => listener.disconnected(event));
      hear(on.readdressed, () => listener.readdressed());
      hear(on.heard, ({ record }) => listener.heard(record));
      hear(on.sighted, (hint) => listener.sighted(hint));
      hear(on.requested, (request) => listener.requested(request));
      await listener.up(life);
      wasUp = true;
    },
    { clock, signal, ended: () => listener.down() },
  );
  // Of one that never came up whoever starts it is told.
  if (stopped && wasUp)
    log.warn("the network has been stopped; peers are not followed", { why: stopped.message });
}
