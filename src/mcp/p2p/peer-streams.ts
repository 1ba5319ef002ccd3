import { followActor, type RefOf } from "../../actor/index.ts";
import type { Network } from "../../peers/network.protocol.ts";
import type { Patience } from "../../scope/index.ts";
import { PEER_PROTOCOL, type ByteStream } from "./byte-stream.ts";

/** The actor that owns the connections, as far as streams go. */
export type StreamNetwork = Pick<RefOf<typeof Network>, "call" | "on" | "ready" | "writable">;

/** Whoever serves peers. */
export interface StreamListener {
  /** A peer has opened a stream to speak MCP. One that nobody could be told of, the network ends by itself. */
  opened(stream: ByteStream): void;
  /** The last connection of a peer has ended: a stream that it had closed in one direction does not tell that. */
  departed(peerId: string): void;
}

/**
 * Takes the streams that peers open, through restarts of the network, until the signal aborts.
 *
 * @throws what has ended it for good, such as ACTOR_STOPPED
 */
export async function acceptStreams(
  network: StreamNetwork,
  listener: StreamListener,
  patience: Patience,
): Promise<void> {
  const stopped = await followActor(
    network,
    async ({ signal, hear }) => {
      // First the ear, then the invitation: what is opened in between is heard.
      hear(network.on.opened, ({ streamId, peerId, protocol }) => {
        if (protocol === PEER_PROTOCOL) listener.opened(new NetworkStream(network, streamId, peerId));
      });
      hear(network.on.disconnected, ({ peerId }) => listener.departed(peerId));
      await network.call.acceptStreams({ protocols: [PEER_PROTOCOL] }, { signal });
    },
    patience,
  );
  if (stopped) throw stopped;
}

/** A stream to a peer that is connected. @throws PEER_NOT_FOUND, PEER_PROTOCOL, PEER_LOST, UNAVAILABLE */
export async function openPeerStream(
  network: StreamNetwork,
  peerId: string,
  signal?: AbortSignal,
): Promise<ByteStream> {
  const { streamId } = await network.call.openStream(
    { peerId, protocol: PEER_PROTOCOL },
    signal ? { signal } : {},
  );
  return new NetworkStream(network, streamId, peerId);
}

class NetworkStream implements ByteStream {
  readonly peerId: string;
  readonly #network: StreamNetwork;
  readonly #streamId: number;
  readonly #closed = new AbortController();

  constructor(network: StreamNetwork, streamId: number, peerId: string) {
    this.#network = network;
    this.#streamId = streamId;
    this.peerId = peerId;
  }

  async read(): Promise<Uint8Array | null> {
    const { signal } = this.#closed;
    if (signal.aborted) return null;
    try {
      // How long a peer may be silent is for whoever reads to say, by closing the stream.
      const call = { signal, timeoutMs: Infinity };
      return (await this.#network.call.readStream({ streamId: this.#streamId }, call)).bytes;
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    const call = { signal: this.#closed.signal, timeoutMs: Infinity };
    await this.#network.call.writeStream({ streamId: this.#streamId, bytes }, call);
  }

  async close(graceful: boolean): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    // One that broke off is closed already, and a network that has gone has closed all.
    await this.#network.call.closeStream({ streamId: this.#streamId, graceful }).catch(() => undefined);
  }
}
