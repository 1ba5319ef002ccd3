import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import type { Endpoint } from "../../../src/peers/nat/stun-message.ts";
import {
  ERROR_CODE,
  OTHER_ADDRESS,
  encodeAnswer,
  plainAddress,
  xoredAddress,
  type Attribute,
} from "./stun-answer.ts";

/** The NAT that the server plays towards whoever asks it. */
export interface PlayedNat {
  /** `none`: it tells the truth. Else it tells an address that is not the asker's. */
  readonly mapping: "none" | "independent" | "address" | "endpoint";
  /** From whom the NAT lets packets in: all, addresses that were spoken to, or addresses with ports that were. */
  readonly filtering: "all" | "address" | "endpoint";
}

export interface FakeStunOptions extends PlayedNat {
  /** Does it have a second address? */
  readonly other?: boolean;
  /** What it does with a request for an answer from elsewhere; default: as asked. */
  readonly change?: "done" | "refused" | "ignored";
  /** Requests that it does not hear, each of every asker. */
  readonly deafFor?: number;
  /** It hears, and never answers. */
  readonly silent?: boolean;
  readonly addresses?: readonly [string, string];
}

/** Addresses of documentation stand for the outer side of the NAT. */
const OUTSIDE = "203.0.113.5";
const OUTSIDE_IPV6 = "2001:db8::5";

/**
 * A STUN server with two addresses and two ports, and the NAT before its askers in one: it drops what that NAT would drop,
 * and tells what that NAT would make of an address. So every kind of NAT can be had on loopback.
 */
export class FakeStunServer {
  readonly #options: FakeStunOptions;
  readonly #sockets: readonly (readonly [Socket, Socket])[];
  /** What each asker has spoken to, by the asker's endpoint. */
  readonly #spokenTo = new Map<string, Set<string>>();
  readonly #heard = new Map<string, number>();
  requests = 0;

  private constructor(options: FakeStunOptions, sockets: readonly (readonly [Socket, Socket])[]) {
    this.#options = options;
    this.#sockets = sockets;
    for (const [address, pair] of sockets.entries())
      for (const [port, socket] of pair.entries())
        socket.on("message", (bytes, from) => this.#hear(bytes, from, address, port));
  }

  static async open(options: FakeStunOptions): Promise<FakeStunServer> {
    const [first, second] = options.addresses ?? ["127.0.0.1", "127.0.0.2"];
    for (;;) {
      const bound: Socket[] = [];
      try {
        const one = await bind(first, 0, bound);
        const two = await bind(first, 0, bound);
        const pairs = [
          [one, two],
          [await bind(second, one.address().port, bound), await bind(second, two.address().port, bound)],
        ] as const;
        return new FakeStunServer(options, pairs);
      } catch {
        // A port that is free at one address is taken at the other.
        for (const socket of bound) socket.close();
      }
    }
  }

  get endpoint(): Endpoint {
    return this.#endpoint(0, 0);
  }

  [Symbol.dispose](): void {
    for (const pair of this.#sockets) for (const socket of pair) socket.close();
  }

  #endpoint(address: number, port: number): Endpoint {
    const bound = this.#socket(address, port).address();
    return { family: bound.family === "IPv6" ? 6 : 4, address: bound.address, port: bound.port };
  }

  #socket(address: number, port: number): Socket {
    const socket = this.#sockets[address]?.[port];
    if (socket === undefined) throw new TypeError("a server has two addresses and two ports");
    return socket;
  }

  #hear(bytes: Buffer, from: RemoteInfo, address: number, port: number): void {
    this.requests += 1;
    const { deafFor = 0, silent = false, change = "done" } = this.#options;
    const asker = `${from.address} ${from.port}`;
    const spokenTo = this.#spokenTo.get(asker) ?? new Set<string>();
    this.#spokenTo.set(asker, spokenTo);
    spokenTo.add(`${address}`).add(`${address}/${port}`);
    const id = bytes.toString("hex", 8, 20);
    const heard = (this.#heard.get(id) ?? 0) + 1;
    this.#heard.set(id, heard);
    if (silent || heard <= deafFor) return;
    const flags = bytes.length > 20 ? bytes.readUInt32BE(24) : 0;
    const isChanged = flags !== 0 && change === "done";
    const answering = {
      address: isChanged && (flags & 4) !== 0 ? 1 - address : address,
      port: isChanged && (flags & 2) !== 0 ? 1 - port : port,
    };
    if (!this.#passes(spokenTo, answering)) return;
    const transactionId = bytes.subarray(8, 20);
    const isRefused = flags !== 0 && change === "refused";
    const answer = isRefused
      ? encodeAnswer(transactionId, {
          type: 0x0111,
          attributes: [{ type: ERROR_CODE, value: Buffer.from([0, 0, 4, 20]) }],
        })
      : encodeAnswer(transactionId, {
          attributes: this.#attributes(from, transactionId, address, port),
          fingerprint: "sound",
        });
    this.#socket(answering.address, answering.port).send(answer, from.port, from.address);
  }

  #passes(spokenTo: ReadonlySet<string>, answering: { address: number; port: number }): boolean {
    const { filtering } = this.#options;
    if (filtering === "all") return true;
    return spokenTo.has(
      filtering === "address" ? `${answering.address}` : `${answering.address}/${answering.port}`,
    );
  }

  #attributes(from: RemoteInfo, transactionId: Buffer, address: number, port: number): Attribute[] {
    const mapped = xoredAddress(this.#mapped(from, address, port), transactionId);
    if (this.#options.other === false) return [mapped];
    return [mapped, plainAddress(OTHER_ADDRESS, this.#endpoint(1 - address, 1 - port))];
  }

  #mapped(from: RemoteInfo, address: number, port: number): Endpoint {
    const family = from.family === "IPv6" ? 6 : 4;
    const outside = family === 6 ? OUTSIDE_IPV6 : OUTSIDE;
    const shifts = { none: 0, independent: 0, address: address * 2, endpoint: address * 2 + port };
    const { mapping } = this.#options;
    if (mapping === "none") return { family, address: from.address, port: from.port };
    return { family, address: outside, port: 20_000 + (from.port % 10_000) + shifts[mapping] };
  }
}

async function bind(address: string, port: number, bound: Socket[]): Promise<Socket> {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  bound.push(socket);
  socket.bind(port, address);
  await once(socket, "listening");
  return socket;
}
