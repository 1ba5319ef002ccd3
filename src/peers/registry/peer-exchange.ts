import type { RefOf } from "../../actor/index.ts";
import { packValue, unpackValue } from "../../codec/index.ts";
import { fault, isFault, toWireError } from "../../errors/index.ts";
import type { Network, PeerRequest } from "../network.protocol.ts";

/** What registries ask of each other. The network itself answers what begins with `net.`. */
const RECORD = "net.record";
const SAMPLE = "net.sample";
export const REGISTRY_PREFIX = "registry.";
/** "My record is now this one": a sealed record, answered with nothing. */
const TOLD = "registry.told";
/** "May I probe you?", answered with a list of four: 1, the UDP ports for IPv4 and IPv6 (0: none), a key. */
const PROBE = "registry.probe";

const NOTHING = new Uint8Array();
export const PROBE_KEY_BYTES = 16;
const PORT_MAX = 65_535;

/** What lets a peer be probed. A port of 0 is none. */
export interface ProbeGrant {
  readonly port4: number;
  readonly port6: number;
  readonly key: Uint8Array;
}

export interface Answers {
  /** A peer tells its own new record. @throws RECORD_INVALID */
  told(peerId: string, sealed: Uint8Array): Promise<void>;
  /** @throws UNAVAILABLE */
  probe(peerId: string): Promise<ProbeGrant>;
}

/** How long a peer may take to answer what is asked of it here. */
const ASK_MS = 5_000;
const SAMPLE_MS = 30_000;

/** The questions that this registry asks those of other nodes, and its answers to theirs. */
export class PeerExchange {
  readonly #network: RefOf<typeof Network>;
  readonly #answers: Answers;

  constructor(network: RefOf<typeof Network>, answers: Answers) {
    this.#network = network;
    this.#answers = answers;
  }

  /** The peer's own record. @throws what `request` of the network rejects with */
  async record(peerId: string, signal: AbortSignal): Promise<Uint8Array> {
    return this.#ask(peerId, RECORD, NOTHING, { signal, timeoutMs: ASK_MS });
  }

  async tell(peerId: string, sealed: Uint8Array, signal: AbortSignal): Promise<void> {
    await this.#ask(peerId, TOLD, sealed, { signal, timeoutMs: ASK_MS });
  }

  /** So many bytes from the peer, of which only the number counts. */
  async sample(peerId: string, sizeBytes: number, signal: AbortSignal): Promise<number> {
    const wanted = new Uint8Array(4);
    new DataView(wanted.buffer).setUint32(0, sizeBytes);
    const body = await this.#ask(peerId, SAMPLE, wanted, { signal, timeoutMs: SAMPLE_MS });
    return body.byteLength;
  }

  /** @throws also PEER_PROTOCOL for an answer that is none */
  async probe(peerId: string, signal: AbortSignal): Promise<ProbeGrant> {
    const grant = grantIn(await this.#ask(peerId, PROBE, NOTHING, { signal, timeoutMs: ASK_MS }));
    if (grant === undefined) throw fault("PEER_PROTOCOL", { peerId, why: `its answer to ${PROBE} is none` });
    return grant;
  }

  async #ask(
    peerId: string,
    method: string,
    body: Uint8Array,
    options: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<Uint8Array> {
    return (await this.#network.call.request({ peerId, method, body }, options)).body;
  }

  /** Answers a request of a peer, if it is one for the registry. Never rejects with a fault. */
  async answer({ requestId, peerId, method, body }: PeerRequest): Promise<void> {
    if (!method.startsWith(REGISTRY_PREFIX)) return;
    try {
      const answer = await this.#answerTo(peerId, method, body);
      this.#network.cast.reply({ requestId, end: { ok: true, body: answer } });
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#network.cast.reply({ requestId, end: { ok: false, error: toWireError(error) } });
    }
  }

  async #answerTo(peerId: string, method: string, body: Uint8Array): Promise<Uint8Array> {
    if (method === TOLD) {
      await this.#answers.told(peerId, body);
      return NOTHING;
    }
    if (method !== PROBE) throw fault("PEER_PROTOCOL", { peerId, why: `there is no method ${method}` });
    const { port4, port6, key } = await this.#answers.probe(peerId);
    return packValue([1, port4, port6, key]);
  }
}

function grantIn(body: Uint8Array): ProbeGrant | undefined {
  let value: unknown;
  try {
    value = unpackValue(body);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value) || value.length !== 4) return undefined;
  const [version, port4, port6, key] = value as unknown[];
  if (version !== 1 || !isPort(port4) || !isPort(port6)) return undefined;
  if (!(key instanceof Uint8Array) || key.byteLength !== PROBE_KEY_BYTES) return undefined;
  return { port4, port6, key };
}

const isPort = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= PORT_MAX;

/** Does a failure say that the peer does not speak this, rather than that it failed at it? */
export const isUnspoken = (error: unknown): boolean =>
  isFault(error, "PEER_PROTOCOL") || isFault(error, "UNAVAILABLE");
