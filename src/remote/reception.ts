import type { RefOf } from "../actor/index.ts";
import { LIMITS, fault, isFault, type Fault } from "../errors/index.ts";
import { openEnvelope } from "../peers/index.ts";
import type { Network } from "../peers/network.protocol.ts";
import type { Clock } from "../scope/index.ts";
import type { Gate, KeptGrant, Refusal } from "./gate.core.ts";
import { GRANT_DOMAIN, GRANT_TYPE, invalid, unpackClaims, type GrantClaims } from "./grant-token.ts";
import type { OfferedActions } from "./offered-actions.ts";
import type { Outlets } from "./outlets.ts";
import type { LineListener } from "./peer-line.ts";
import type { RefusalKind } from "./refusals.ts";
import type { ServedWork } from "./served-work.ts";
import type { Shelf } from "./shelf.ts";
import { METHOD, readBlobAsk, readHello, writeBlobPiece, writeTerms, type Hello } from "./wire.ts";

export interface ReceptionServices {
  readonly network: RefOf<typeof Network>;
  readonly gate: Gate;
  readonly offered: OfferedActions;
  readonly served: ServedWork;
  readonly outlets: Outlets;
  readonly shelf: Shelf;
  readonly clock: Clock;
  /** Of this node's actor. */
  readonly life: number;
  /** Asks what the registry knows of a peer. */
  readonly look: (peerId: string) => void;
}

/** Opens what other nodes send, has it done, and counts what is refused. */
export class Reception implements LineListener {
  readonly #services: ReceptionServices;

  constructor(services: ReceptionServices) {
    this.#services = services;
  }

  connected(peerId: string): void {
    const { outlets, served, look } = this.#services;
    served.connected(peerId);
    if (!outlets.has(peerId)) return;
    look(peerId);
    outlets.connected(peerId);
  }

  disconnected(peerId: string, why: string): void {
    const { gate, outlets, served } = this.#services;
    gate.leave(peerId);
    served.disconnected(peerId);
    outlets.disconnected(peerId, why);
  }

  async asked(peerId: string, method: string, body: Uint8Array): Promise<Uint8Array> {
    const { served, outlets, shelf } = this.#services;
    try {
      if (method === METHOD.start) return served.start(peerId, body);
      if (method === METHOD.tell) return await outlets.told(peerId, body);
      if (method === METHOD.stop) return served.stop(peerId, body);
      if (method === METHOD.hello) return await this.#greet(peerId, readHello(peerId, body));
      if (method === METHOD.blob) return writeBlobPiece(await shelf.read(peerId, readBlobAsk(peerId, body)));
      throw fault("PEER_PROTOCOL", { peerId, why: `it asks for ${method}, which is not known here` });
    } catch (error) {
      if (!isFault(error)) throw error;
      const kind = kindOf(method, error);
      if (kind !== null) this.#refuse(peerId, kind, error);
      throw error;
    }
  }

  async #greet(peerId: string, { life, token, leaseMs }: Hello): Promise<Uint8Array> {
    const { gate, offered, served, clock, life: own } = this.#services;
    const claims = await this.#ownClaims(peerId, token);
    const isReady = await offered.known();
    const grant = gate.greet(peerId, claims, clock.wallNow());
    if (isRefusal(grant)) throw grant.error;
    // It asks again: else it would take this node for one that has no handlers.
    if (!isReady) throw fault("UNAVAILABLE", { what: "the list of handlers", why: "it could not be loaded" });
    const held = served.greeted(peerId, life, leaseMs);
    const { tools, concurrency, perMinute, bytesMax, expiresAtMs } = grant;
    const actions = gate.actionsOf(grant);
    const room = gate.roomOf(peerId);
    return writeTerms({
      ...{ life: own, actions, tools, concurrency, perMinute, bytesMax, expiresAtMs },
      ...{ room, held },
    });
  }

  /** What a token says that this node has signed. @throws TOKEN_INVALID for any other, and it is counted */
  async #ownClaims(peerId: string, token: Uint8Array): Promise<GrantClaims> {
    const { network } = this.#services;
    try {
      const [claims, { peerId: ownId }] = await Promise.all([openedToken(token), network.call.figures()]);
      if (claims.issuer !== ownId) throw invalid("another node has issued it");
      return claims;
    } catch (error) {
      if (isFault(error, "TOKEN_INVALID")) this.#refuse(peerId, "token_invalid", error);
      throw error;
    }
  }

  #refuse(peerId: string, kind: RefusalKind, error: Fault): void {
    this.#services.gate.refuse(peerId, kind, error, this.#services.clock.wallNow());
  }
}

/**
 * What a token says. That it was signed by whom it names as its issuer is certain then, and nothing else.
 *
 * @throws TOKEN_INVALID
 */
export async function openedToken(token: Uint8Array): Promise<GrantClaims> {
  if (token.byteLength > LIMITS.remote.tokenChars) throw invalid("it is too long");
  try {
    const { peerId, payloadType, payload } = await openEnvelope(token, GRANT_DOMAIN);
    if (Buffer.compare(payloadType, GRANT_TYPE) !== 0) throw invalid("it is signed for something else");
    const claims = unpackClaims(payload);
    if (claims.issuer !== peerId) throw invalid("whoever has signed it is not who it says");
    return claims;
  } catch (error) {
    throw isFault(error, "RECORD_INVALID") ? invalid(error.details.why) : error;
  }
}

/** Under what a refusal is counted here; null: it was counted where it was decided, or it is none. */
function kindOf(method: string, error: Fault): RefusalKind | null {
  if (error.code === "PEER_PROTOCOL") return "malformed";
  if (error.code !== "NOT_AUTHORIZED") return null;
  if (method === METHOD.blob) return "value";
  return method === METHOD.tell ? "stranger" : null;
}

const isRefusal = (found: KeptGrant | Refusal): found is Refusal => "kind" in found;
