import type { RefOf } from "../../actor/index.ts";
import { isFault } from "../../errors/index.ts";
import type { Network } from "../../peers/network.protocol.ts";
import { PEER_PROTOCOL, type ByteStream } from "./byte-stream.ts";

/** The actor that owns the connections, as far as streams go. */
export type StreamNetwork = Pick<RefOf<typeof Network>, "call" | "on" | "ready">;

/**
 * Streams that peers open to speak MCP, until the signal aborts, through restarts of the network. Those that nobody could be
 * told of, the network ends by itself.
 *
 * @throws UNAVAILABLE when networking is off; ACTOR_STOPPED
 */
export async function* incomingStreams(
  network: StreamNetwork,
  signal: AbortSignal,
): AsyncGenerator<ByteStream> {
  const subscribe = async () => {
    // First the ear, then the invitation: what is opened in between is heard.
    const opened = network.on.opened({ signal });
    await network.call.acceptStreams({ protocols: [PEER_PROTOCOL] }, { signal });
    return opened;
  };
  for await (const { streamId, peerId, protocol } of heard(network, signal, subscribe))
    if (protocol === PEER_PROTOCOL) yield new NetworkStream(network, streamId, peerId);
}

/**
 * Peers whose last connection has ended: a stream that they had closed in one direction does not tell that.
 *
 * @throws ACTOR_STOPPED
 */
export async function* departures(network: StreamNetwork, signal: AbortSignal): AsyncGenerator<string> {
  const subscribe = async () => network.on.disconnected({ signal });
  for await (const { peerId } of heard(network, signal, subscribe)) yield peerId;
}

/** Events of the network through its restarts, until the signal aborts. */
async function* heard<T>(
  network: StreamNetwork,
  signal: AbortSignal,
  subscribe: () => Promise<AsyncIterable<T>>,
): AsyncGenerator<T> {
  while (!signal.aborted) {
    try {
      yield* await subscribe();
    } catch (error) {
      if (signal.aborted) return;
      if (isFault(error, "ACTOR_RESTARTING")) await network.ready({ signal });
      else if (!isFault(error, "EVENTS_LOST")) throw error;
    }
  }
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
