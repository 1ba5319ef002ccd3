import type { Connection } from "@libp2p/interface";
import type { ConnectionInfo } from "../network.protocol.ts";
import type { AnsweringLink } from "./answering-link.ts";
import type { AskingLink } from "./asking-link.ts";
import type { LinkEnd } from "./link-end.ts";
import type { Guest } from "./request-desk.ts";

/** What identify has told of a peer. */
export interface Identity {
  readonly protocolVersion: string | null;
  readonly agent: string | null;
}

/** A connected peer: its connections, of which there may be several, and the links on them. */
export class Peer {
  readonly peerId: string;
  readonly guest: Guest;
  readonly sinceMs: number;
  readonly answering = new Set<AnsweringLink>();
  /** While it is being opened and while it lives. */
  asking: Promise<AskingLink> | null = null;
  openAsking: AskingLink | null = null;
  /** It is being hung up: no new requests. */
  isLeaving = false;
  identity: Identity = { protocolVersion: null, agent: null };
  readonly #connections = new Set<Connection>();
  #sentBytes = 0;
  #receivedBytes = 0;

  constructor(peerId: string, guest: Guest, sinceMs: number) {
    this.peerId = peerId;
    this.guest = guest;
    this.sinceMs = sinceMs;
  }

  get connections(): ReadonlySet<Connection> {
    return this.#connections;
  }

  /** False: it was known. */
  join(connection: Connection): boolean {
    if (this.#connections.has(connection)) return false;
    this.#connections.add(connection);
    return true;
  }

  /** False: there was none such. */
  leave(connection: Connection): boolean {
    return this.#connections.delete(connection);
  }

  /** The one to open streams on: direct before relayed, newer before older. */
  best(): Connection | undefined {
    const open = [...this.#connections].filter(({ status }) => status === "open").toReversed();
    return open.find((connection) => !isRelayed(connection)) ?? open[0];
  }

  /** A byte stream has carried so much. */
  carried(sentBytes: number, receivedBytes: number): void {
    this.#sentBytes += sentBytes;
    this.#receivedBytes += receivedBytes;
  }

  /** What its links carried counts on when they have ended. */
  ended(link: LinkEnd): void {
    this.carried(link.sentBytes, link.receivedBytes);
  }

  info(): ConnectionInfo {
    const connection = this.best() ?? [...this.#connections][0];
    const links = [...this.answering, ...(this.openAsking === null ? [] : [this.openAsking])];
    return {
      peerId: this.peerId,
      address: connection?.remoteAddr.toString() ?? "",
      direction: connection?.direction ?? "inbound",
      limited: connection !== undefined && isRelayed(connection),
      sinceMs: this.sinceMs,
      ...this.identity,
      bytesSent: links.reduce((sum, { sentBytes }) => sum + sentBytes, this.#sentBytes),
      bytesReceived: links.reduce((sum, { receivedBytes }) => sum + receivedBytes, this.#receivedBytes),
      requestsServed: this.guest.served,
    };
  }
}

/** Relays of our own bound nothing, so that limits alone do not tell. */
const isRelayed = ({ limits, remoteAddr }: Connection): boolean =>
  limits !== undefined || remoteAddr.toString().includes("/p2p-circuit");
