import { randomBytes } from "node:crypto";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIP } from "node:net";
import type { Clock, Timer } from "../../scope/index.ts";
import {
  TRANSACTION_ID_BYTES,
  decodeBindingAnswer,
  encodeBindingRequest,
  type BindingAnswer,
  type Endpoint,
} from "./stun-message.ts";

/** An answer, and where it came from. */
export interface StunReply extends BindingAnswer {
  readonly from: Endpoint;
}

export interface StunQuestion {
  readonly server: Endpoint;
  /** From which other address or port of the server the answer is to come. */
  readonly change?: { readonly ip: boolean; readonly port: boolean };
}

interface Transaction {
  readonly answered: (reply: StunReply | null) => void;
  readonly timers: Set<Timer>;
}

/**
 * When a request is sent again, in milliseconds after the first time; the last is when it is given up. The standard waits
 * 39.5 s in all, which is meant for calls that must go through; here nobody's answer is an answer too.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8489#section-6.2.1
 */
const PATIENT_MS = [0, 200, 600, 1_400, 3_000] as const;
/** For answers that are expected not to come. */
const BRIEF_MS = [0, 200, 600, 1_400] as const;

/** One UDP port from which STUN servers are asked. What comes and is no answer to a question under way is ignored. */
export class StunSocket {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #transactions = new Map<string, Transaction>();
  #isClosed = false;

  private constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    // An error of one datagram, such as a host without a route, is as good as no answer to it.
    socket.on("error", () => {});
    socket.on("message", (bytes, from) => this.#heard(bytes, from));
    socket.unref();
  }

  /** @param address of this machine, which the port is bound to */
  static async open(address: string, clock: Clock): Promise<StunSocket> {
    const socket = createSocket(isIP(address) === 6 ? "udp6" : "udp4");
    try {
      socket.bind(0, address);
      await once(socket, "listening");
    } catch (error) {
      socket.close();
      throw error;
    }
    return new StunSocket(socket, clock);
  }

  get local(): Endpoint {
    const { address, port } = this.#socket.address();
    return { family: isIP(address) === 6 ? 6 : 4, address, port };
  }

  /** Null: nobody has answered in time, or the socket was closed. */
  ask({ server, change }: StunQuestion): Promise<StunReply | null> {
    if (this.#isClosed) return Promise.resolve(null);
    const id = randomBytes(TRANSACTION_ID_BYTES);
    const request = encodeBindingRequest(id, change ?? { ip: false, port: false });
    const schedule = change === undefined ? PATIENT_MS : BRIEF_MS;
    const { promise, resolve } = Promise.withResolvers<StunReply | null>();
    const timers = new Set<Timer>();
    const answered = (reply: StunReply | null): void => {
      this.#transactions.delete(id.toString("hex"));
      for (const timer of timers) timer.cancel();
      resolve(reply);
    };
    this.#transactions.set(id.toString("hex"), { answered, timers });
    const startMs = this.#clock.now();
    const send = (): void => this.#socket.send(request, server.port, server.address, () => {});
    send();
    for (const afterMs of schedule.slice(1, -1)) timers.add(this.#clock.at(startMs + afterMs, send));
    timers.add(this.#clock.at(startMs + (schedule.at(-1) ?? 0), () => answered(null)));
    return promise;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { answered } of [...this.#transactions.values()]) answered(null);
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #heard(bytes: Uint8Array, { address, port, family }: RemoteInfo): void {
    const answer = decodeBindingAnswer(bytes);
    if (answer === null) return;
    // 96 random bits: whoever does not see the request cannot answer it.
    const transaction = this.#transactions.get(answer.transactionId);
    transaction?.answered({ ...answer, from: { family: family === "IPv6" ? 6 : 4, address, port } });
  }
}

/** The address of this machine from which packets leave for `server`; nothing is sent. */
export async function localAddressFor(server: Endpoint): Promise<string> {
  const socket = createSocket(server.family === 6 ? "udp6" : "udp4");
  try {
    socket.connect(server.port, server.address);
    await once(socket, "connect");
    return socket.address().address;
  } finally {
    socket.close();
  }
}
