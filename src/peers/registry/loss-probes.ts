import { randomBytes } from "node:crypto";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { sentenceOf } from "../../errors/index.ts";
import type { Clock, Timer } from "../../scope/index.ts";
import type { Log } from "../../telemetry/index.ts";
import { PROBE_KEY_BYTES, type ProbeGrant } from "./peer-exchange.ts";

/**
 * Small UDP datagrams between connected peers, to see how many are lost on the way.
 *
 * ```
 * byte  0          4             20         24
 *       | kind u32 | key         | number u32
 * ```
 * Kind 1 is a probe, with the key that its receiver has given out; the answer is the same with kind 2. Numbers are
 * big-endian. An answer is never larger than what it answers, and without a key there is none.
 */
const PROBE = 1;
const ECHO = 2;
const KEY_AT = 4;
const NUMBER_AT = KEY_AT + PROBE_KEY_BYTES;
const DATAGRAM_BYTES = NUMBER_AT + 4;

export interface ProbePace {
  /** Between two probes to one peer. */
  readonly peerMs: number;
  /** Between any two probes. */
  readonly anyMs: number;
  /** Between two probes to a peer from which nothing comes back. */
  readonly walledMs: number;
  /** After which an answer is too late. */
  readonly answerMs: number;
}

export const PROBE_PACE: ProbePace = { peerMs: 100, anyMs: 25, walledMs: 10_000, answerMs: 2_000 };

/** Answers to one peer in a second. */
const ECHOES_PER_SECOND = 100;

export interface ProbeServices {
  readonly clock: Clock;
  readonly log: Log;
  /** A probe was decided. @returns whether something seems to let none through */
  readonly decided: (peerId: string, answered: boolean) => boolean;
  readonly pace: ProbePace;
}

interface Target {
  readonly peerId: string;
  readonly host: string;
  readonly port: number;
  readonly key: Buffer;
  number: number;
  nextMs: number;
  isWalled: boolean;
  /** Sent and not decided, oldest first. They are decided in order, so that no kind of end comes sooner than the other. */
  readonly pending: { readonly number: number; readonly sentMs: number; answered: boolean }[];
}

interface Guest {
  readonly peerId: string;
  /** Answers left in the present second. */
  left: number;
  secondMs: number;
}

/** Sends probes to peers that allow it, and answers those of peers that were allowed. */
export class LossProbes {
  readonly #services: ProbeServices;
  readonly #pace: ProbePace;
  readonly #sockets = new Map<4 | 6, Promise<Socket | null>>();
  /** By peer, in the order in which they are next. */
  readonly #targets = new Map<string, Target>();
  /** By the key that a peer has given to this node. */
  readonly #byKey = new Map<string, Target>();
  /** By the key that was given to it. */
  readonly #guests = new Map<string, Guest>();
  readonly #keys = new Map<string, Buffer>();
  #bind: { readonly loopback: boolean; readonly ports: Readonly<Record<4 | 6, number>> } = {
    loopback: true,
    ports: { 4: 0, 6: 0 },
  };
  #timer: Timer | undefined;
  #closed = false;

  constructor(services: ProbeServices) {
    this.#services = services;
    this.#pace = services.pace;
  }

  /**
   * Where this node listens by TCP: the same ports are taken for UDP where they are free, since what lets the one through
   * mostly lets the other through. A node of loopback only answers there only. Sockets are opened when they are needed.
   */
  listensAt(addresses: readonly string[]): void {
    const places = addresses.map(placeOf).filter((place) => place !== null);
    const portOf = (family: 4 | 6): number => places.find(({ host }) => familyOf(host) === family)?.port ?? 0;
    this.#bind = {
      loopback: places.every(({ host }) => isLoopback(host)),
      ports: { 4: portOf(4), 6: portOf(6) },
    };
  }

  /** Lets a peer probe this node, in place of an earlier grant. Null when no socket can be opened. */
  async grant(peerId: string): Promise<ProbeGrant | null> {
    const [four, six] = await Promise.all([this.#socket(4), this.#socket(6)]);
    if (this.#closed || (four === null && six === null)) return null;
    this.#ungrant(peerId);
    const key = randomBytes(PROBE_KEY_BYTES);
    this.#keys.set(peerId, key);
    this.#guests.set(key.toString("hex"), { peerId, left: ECHOES_PER_SECOND, secondMs: 0 });
    return { port4: four?.address().port ?? 0, port6: six?.address().port ?? 0, key };
  }

  /** @param address of the connection: the peer's probes go to its host */
  probe(peerId: string, address: string, { port4, port6, key }: ProbeGrant): void {
    const host = placeOf(address)?.host;
    if (host === undefined || this.#closed) return;
    const port = familyOf(host) === 4 ? port4 : port6;
    if (port === 0) return;
    this.#untarget(peerId);
    const fresh = { number: 0, nextMs: -Infinity, isWalled: false, pending: [] };
    const target = { peerId, host, port, key: Buffer.from(key), ...fresh };
    this.#targets.set(peerId, target);
    this.#byKey.set(target.key.toString("hex"), target);
    this.#arm(0);
  }

  /** Neither probes the peer any more nor answers it. */
  drop(peerId: string): void {
    this.#untarget(peerId);
    this.#ungrant(peerId);
  }

  dropAll(): void {
    for (const peerId of new Set([...this.#targets.keys(), ...this.#keys.keys()])) this.drop(peerId);
  }

  /** Synchronous, so that it can also be the end of a killed actor. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.dropAll();
    for (const opening of this.#sockets.values()) void opening.then((socket) => socket?.close());
    this.#sockets.clear();
  }

  // --- sending ------------------------------------------------------------------------------------------------------

  #arm(afterMs: number): void {
    if (this.#timer !== undefined || this.#closed) return;
    const { clock } = this.#services;
    this.#timer = clock.at(clock.now() + afterMs, () => {
      this.#timer = undefined;
      this.#turn();
    });
  }

  /** Decides what is due, sends one probe to whoever waits longest, and comes back. */
  #turn(): void {
    const nowMs = this.#services.clock.now();
    for (const target of this.#targets.values()) this.#decide(target, nowMs);
    const next = [...this.#targets.values()].find(({ nextMs }) => nextMs <= nowMs);
    if (next !== undefined) {
      // To the end of the line.
      this.#targets.delete(next.peerId);
      this.#targets.set(next.peerId, next);
      next.nextMs = nowMs + (next.isWalled ? this.#pace.walledMs : this.#pace.peerMs);
      this.#send(next, nowMs);
    }
    if (this.#targets.size > 0) this.#arm(Math.max(this.#pace.anyMs, this.#pace.peerMs / this.#targets.size));
  }

  #decide(target: Target, nowMs: number): void {
    for (let first = target.pending[0]; first !== undefined; first = target.pending[0]) {
      if (nowMs - first.sentMs < this.#pace.answerMs) return;
      target.pending.shift();
      target.isWalled = this.#services.decided(target.peerId, first.answered);
    }
  }

  #send(target: Target, nowMs: number): void {
    target.number = (target.number + 1) % 2 ** 32;
    const datagram = Buffer.alloc(DATAGRAM_BYTES);
    datagram.writeUInt32BE(PROBE, 0);
    target.key.copy(datagram, KEY_AT);
    datagram.writeUInt32BE(target.number, NUMBER_AT);
    const probe = { number: target.number, sentMs: nowMs, answered: false };
    target.pending.push(probe);
    void this.#socket(familyOf(target.host)).then((socket) => {
      if (this.#closed) return;
      if (socket === null) this.#untarget(target.peerId);
      // What this machine did not send, no link has lost.
      else socket.send(datagram, target.port, target.host, (error) => error && withdraw(target, probe));
    });
  }

  // --- receiving ----------------------------------------------------------------------------------------------------

  #received(socket: Socket, datagram: Buffer, from: RemoteInfo): void {
    if (datagram.byteLength !== DATAGRAM_BYTES || this.#closed) return;
    const kind = datagram.readUInt32BE(0);
    const key = datagram.toString("hex", KEY_AT, NUMBER_AT);
    if (kind === PROBE) {
      const guest = this.#guests.get(key);
      if (guest === undefined || !this.#mayAnswer(guest)) return;
      datagram.writeUInt32BE(ECHO, 0);
      socket.send(datagram, from.port, from.address, () => undefined);
    } else if (kind === ECHO) {
      const number = datagram.readUInt32BE(NUMBER_AT);
      const probe = this.#byKey.get(key)?.pending.find((each) => each.number === number);
      if (probe !== undefined) probe.answered = true;
    }
  }

  #mayAnswer(guest: Guest): boolean {
    const secondMs = Math.floor(this.#services.clock.now() / 1_000);
    if (secondMs !== guest.secondMs) {
      guest.secondMs = secondMs;
      guest.left = ECHOES_PER_SECOND;
    }
    guest.left -= 1;
    return guest.left >= 0;
  }

  // --- bookkeeping --------------------------------------------------------------------------------------------------

  #untarget(peerId: string): void {
    const target = this.#targets.get(peerId);
    if (target === undefined) return;
    this.#targets.delete(peerId);
    this.#byKey.delete(target.key.toString("hex"));
  }

  #ungrant(peerId: string): void {
    const key = this.#keys.get(peerId);
    if (key === undefined) return;
    this.#keys.delete(peerId);
    this.#guests.delete(key.toString("hex"));
  }

  #socket(family: 4 | 6): Promise<Socket | null> {
    let opening = this.#sockets.get(family);
    if (opening === undefined) {
      opening = this.#open(family, this.#bind.ports[family]);
      this.#sockets.set(family, opening);
    }
    return opening;
  }

  /** Null where there is no such family: then nothing is measured by it. */
  async #open(family: 4 | 6, port: number): Promise<Socket | null> {
    const socket = createSocket(family === 4 ? { type: "udp4" } : { type: "udp6", ipv6Only: true });
    const address = this.#bind.loopback ? (family === 4 ? "127.0.0.1" : "::1") : undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.bind({ port, ...(address === undefined ? {} : { address }) }, () => {
          socket.off("error", reject);
          resolve();
        });
      });
    } catch (error) {
      socket.close();
      if (port !== 0) return this.#open(family, 0);
      this.#services.log.debug("no UDP socket for probes", { family, why: sentenceOf(error) });
      return null;
    }
    // Without a listener, what a peer's system says of a closed port would be an uncaught error.
    socket.on("error", () => undefined);
    socket.on("message", (datagram, from) => this.#received(socket, datagram, from));
    socket.unref();
    return socket;
  }
}

function withdraw({ pending }: Target, probe: Target["pending"][number]): void {
  const index = pending.indexOf(probe);
  if (index >= 0) pending.splice(index, 1);
}

const PLACE = /^\/ip[46]\/([^/]+)\/(?:tcp|udp)\/(\d+)/;

/** Host and port of an address that leads there directly; null for names and for what goes through a relay. */
function placeOf(address: string): { host: string; port: number } | null {
  if (address.includes("/p2p-circuit")) return null;
  const [, host, port] = PLACE.exec(address) ?? [];
  return host === undefined ? null : { host, port: Number(port) };
}

const familyOf = (host: string): 4 | 6 => (isIPv6(host) ? 6 : 4);

const isLoopback = (host: string): boolean => host.startsWith("127.") || host === "::1";
