import { followActor, type RefOf } from "../actor/index.ts";
import { LIMITS, isFault, sentenceOf, toWireError, type WireError } from "../errors/index.ts";
import type { Network, PeerRequest } from "../peers/network.protocol.ts";
import type { Patience } from "../scope/index.ts";
import type { Log } from "../telemetry/index.ts";
import { METHOD_PREFIX } from "./wire.ts";

/** How other nodes are asked. */
export interface Asking {
  /** @throws what `Network.request` rejects with */
  ask(peerId: string, method: string, body: Uint8Array, options: AskOptions): Promise<Uint8Array>;
}

export interface AskOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** What is heard of other nodes. */
export interface LineListener {
  /** @returns the answer; what it throws is told to the peer */
  asked(peerId: string, method: string, body: Uint8Array): Promise<Uint8Array> | Uint8Array;
  /** Also of those that were connected already when listening began. */
  connected(peerId: string): void;
  disconnected(peerId: string, why: string): void;
}

export interface PeerLineOptions extends Patience {
  readonly network: RefOf<typeof Network>;
  readonly log: Log;
}

type Reply = { requestId: number; end: { ok: true; body: Uint8Array } | { ok: false; error: WireError } };

/** The line to all other nodes: questions to them, and theirs. It outlives restarts of the network's thread. */
export class PeerLine implements Asking {
  readonly #options: PeerLineOptions;
  readonly #connected = new Set<string>();
  /** Replies that found the mailbox full; there are no more of them than requests that may be answered at once. */
  readonly #waiting: Reply[] = [];

  constructor(options: PeerLineOptions) {
    this.#options = options;
  }

  isConnected(peerId: string): boolean {
    return this.#connected.has(peerId);
  }

  async ask(peerId: string, method: string, body: Uint8Array, options: AskOptions): Promise<Uint8Array> {
    const answer = await this.#options.network.call.request({ peerId, method, body }, options);
    return answer.body;
  }

  /** Listens until its signal aborts, or the network is stopped for good. */
  async listen(listener: LineListener): Promise<void> {
    const { network, signal, log, clock } = this.#options;
    const { on, call } = network;
    await followActor(
      network,
      async ({ hear }) => {
        hear(on.requested, (request) => this.#answer(listener, request));
        hear(on.connected, ({ peerId }) => this.#came(listener, peerId));
        hear(on.disconnected, ({ peerId, why }) => this.#left(listener, peerId, why));
        await call.serve({ prefixes: [METHOD_PREFIX] });
        const { connections } = await call.connections();
        for (const { peerId } of connections) this.#came(listener, peerId);
      },
      {
        signal,
        clock,
        ended: (error) => {
          // Whoever stops by itself still says good-bye over the connections that there are.
          if (signal.aborted) return;
          log.debug("the network is listened to anew", { why: sentenceOf(error) });
          for (const peerId of [...this.#connected])
            this.#left(listener, peerId, "the network was restarted");
        },
      },
    );
  }

  #came(listener: LineListener, peerId: string): void {
    if (this.#connected.has(peerId)) return;
    this.#connected.add(peerId);
    listener.connected(peerId);
  }

  #left(listener: LineListener, peerId: string, why: string): void {
    if (this.#connected.delete(peerId)) listener.disconnected(peerId, why);
  }

  #answer(listener: LineListener, { requestId, peerId, method, body }: PeerRequest): void {
    // Whoever else listens to requests has methods of its own.
    if (!method.startsWith(METHOD_PREFIX)) return;
    void this.#answered(listener, peerId, method, body).then((end) => this.#reply({ requestId, end }));
  }

  async #answered(
    listener: LineListener,
    peerId: string,
    method: string,
    body: Uint8Array,
  ): Promise<Reply["end"]> {
    try {
      return { ok: true, body: await listener.asked(peerId, method, body) };
    } catch (error) {
      if (!isFault(error)) throw error;
      return { ok: false, error: toWireError(error) };
    }
  }

  #reply(reply: Reply): void {
    if (this.#waiting.length > 0) this.#waiting.push(reply);
    else if (!this.#options.network.cast.reply(reply)) {
      this.#waiting.push(reply);
      void this.#replyLater();
    }
    // A network that takes nothing for so long has forgotten who asked.
    if (this.#waiting.length > LIMITS.network.requests) this.#waiting.shift();
  }

  async #replyLater(): Promise<void> {
    const { network, signal } = this.#options;
    try {
      while (this.#waiting.length > 0) {
        await network.writable({ signal });
        while (this.#waiting[0] !== undefined && network.cast.reply(this.#waiting[0])) this.#waiting.shift();
      }
    } catch (error) {
      // With the network's life go the requests that it has let in.
      this.#waiting.length = 0;
      if (!isFault(error)) throw error;
    }
  }
}
