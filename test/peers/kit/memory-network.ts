import { generateKeyPair } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { EventStream } from "../../../src/actor/event-stream.ts";
import type { CallOptions, RefOf, SubscribeOptions } from "../../../src/actor/index.ts";
import { LIMITS, fault, fromWireError, type Fault, type WireError } from "../../../src/errors/index.ts";
import type { ConnectionInfo, Network } from "../../../src/peers/network.protocol.ts";
import { envelopeOf, openEnvelope } from "../../../src/peers/sealed-envelope.ts";
import type { Clock } from "../../../src/scope/index.ts";

/** One message that is on its way, for a test that wants to see or change it. */
export interface Passing {
  readonly from: string;
  readonly to: string;
  readonly method: string;
  body: Uint8Array;
}

interface Pending {
  readonly to: string;
  readonly requestId: number;
  readonly settle: (end: { body: Uint8Array } | { error: Fault }) => void;
}

const CALL_MS = 5_000;

/**
 * Nodes in one process that know each other by the requests of the protocol `Network`. Connections are made and lost as the
 * test says; messages take `delayMs` of the clock each way.
 */
export class MemoryNetwork {
  readonly clock: Clock;
  /** One way. */
  delayMs = 0;
  /** Looks at each request before it is delivered; true: it is lost. */
  onRequest: (passing: Passing) => boolean = () => false;
  /** By how much the answer to a request of this method is late. */
  answerDelayMs: (method: string) => number = () => 0;
  readonly nodes = new Map<string, MemoryNode>();
  /** Pairs between which nothing arrives, although they take themselves for connected. */
  readonly #cut = new Set<string>();
  /** Requests so far, by method. */
  readonly counts = new Map<string, number>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  async add(): Promise<MemoryNode> {
    const key = await generateKeyPair("Ed25519");
    const node = new MemoryNode(this, key);
    // Loads what envelopes take: loading takes real time, and the clock of a test would run away meanwhile.
    await openEnvelope(await node.seal("warm-up", Uint8Array.of(1), Uint8Array.of(1)), "warm-up");
    this.nodes.set(node.peerId, node);
    return node;
  }

  connect(a: MemoryNode, b: MemoryNode): void {
    a.join(b.peerId, "outbound");
    b.join(a.peerId, "inbound");
  }

  disconnect(a: MemoryNode, b: MemoryNode, why = "the test has cut it"): void {
    a.part(b.peerId, why);
    b.part(a.peerId, why);
  }

  /** Nothing that either sends arrives any more, and neither is told. */
  cut(a: MemoryNode, b: MemoryNode): void {
    this.#cut.add(pairOf(a.peerId, b.peerId));
  }

  heal(a: MemoryNode, b: MemoryNode): void {
    this.#cut.delete(pairOf(a.peerId, b.peerId));
  }

  /** Its process has died: all others see their connections end. */
  lose(node: MemoryNode): void {
    for (const other of this.nodes.values()) if (other !== node) this.disconnect(node, other, "it has died");
    this.nodes.delete(node.peerId);
  }

  /** Runs what arrives, unless it is lost on the way. */
  carry(from: string, to: string, arrive: () => void): void {
    if (this.#cut.has(pairOf(from, to))) return;
    if (this.delayMs > 0) this.clock.at(this.clock.now() + this.delayMs, arrive);
    else queueMicrotask(arrive);
  }
}

const pairOf = (a: string, b: string): string => [a, b].toSorted().join(" ");

/** One node: what its actors hold as the ref of its network. */
export class MemoryNode {
  readonly peerId: string;
  readonly ref: RefOf<typeof Network>;
  readonly #world: MemoryNetwork;
  readonly #key: PrivateKey;
  readonly #connections = new Map<string, ConnectionInfo>();
  readonly #streams = new Map<string, Set<EventStream<unknown>>>();
  readonly #pending = new Set<Pending>();
  /** Requests of others that are being answered here. */
  readonly #serving = new Map<
    number,
    (end: { ok: true; body: Uint8Array } | { ok: false; error: WireError }) => void
  >();
  #prefixes: string[] = [];
  #requests = 0;
  /** Replies that are refused for want of room before the next one is taken. */
  fullMailbox = 0;

  constructor(world: MemoryNetwork, key: PrivateKey) {
    this.#world = world;
    this.#key = key;
    this.peerId = peerIdFromPrivateKey(key).toString();
    this.ref = this.#ref();
  }

  /** Asks as if from this node, past its actors. */
  ask(to: MemoryNode, method: string, body: Uint8Array): Promise<Uint8Array> {
    return this.#request({ peerId: to.peerId, method, body }, {}).then((answer) => answer.body);
  }

  seal(domain: string, payloadType: Uint8Array, payload: Uint8Array): Promise<Uint8Array> {
    return envelopeOf(this.#key, { domain, payloadType, payload });
  }

  join(peerId: string, direction: "inbound" | "outbound"): void {
    if (this.#connections.has(peerId)) return;
    const info: ConnectionInfo = {
      ...{ peerId, direction, address: `/memory/${peerId}`, limited: false },
      ...{ sinceMs: this.#world.clock.wallNow(), protocolVersion: null, agent: null },
      ...{ bytesSent: 0, bytesReceived: 0, requestsServed: 0 },
    };
    this.#connections.set(peerId, info);
    this.#emit("connected", info);
  }

  part(peerId: string, why: string): void {
    if (!this.#connections.delete(peerId)) return;
    const error = fault("PEER_LOST", { peerId, why });
    for (const pending of [...this.#pending]) if (pending.to === peerId) pending.settle({ error });
    this.#emit("disconnected", { peerId, why });
  }

  #emit(event: string, params: unknown): void {
    for (const stream of this.#streams.get(event) ?? []) stream.push(params);
  }

  #subscribe(event: string, { signal, buffer = 1_024 }: SubscribeOptions = {}): EventStream<unknown> {
    const known = this.#streams.get(event) ?? new Set<EventStream<unknown>>();
    this.#streams.set(event, known);
    const leave = (): void => void known.delete(stream);
    const stream: EventStream<unknown> = new EventStream({ actor: "network", event }, buffer, leave, signal);
    if (!signal?.aborted) known.add(stream);
    return stream;
  }

  #request(
    { peerId, method, body }: { peerId: string; method: string; body: Uint8Array },
    { signal, timeoutMs = CALL_MS }: CallOptions,
  ): Promise<{ body: Uint8Array }> {
    const world = this.#world;
    world.counts.set(method, (world.counts.get(method) ?? 0) + 1);
    if (!this.#connections.has(peerId)) {
      return Promise.reject(fault("PEER_NOT_FOUND", { peerId, why: "is not connected" }));
    }
    if (body.byteLength > LIMITS.network.bodyBytes) {
      const details = { actor: peerId, sizeBytes: body.byteLength, limitBytes: LIMITS.network.bodyBytes };
      return Promise.reject(fault("MESSAGE_TOO_LARGE", details));
    }
    if (signal?.aborted) return Promise.reject(fault("CANCELLED", { what: method }));
    return new Promise((resolve, reject) => {
      const settle: Pending["settle"] = (end) => {
        if (!this.#pending.delete(pending)) return;
        timer?.cancel();
        signal?.removeEventListener("abort", onAbort);
        if ("body" in end) resolve({ body: end.body });
        else reject(end.error);
      };
      const target = (): MemoryNode | undefined => world.nodes.get(peerId);
      const requestId = target()?.nextRequestId() ?? 0;
      const pending: Pending = { to: peerId, requestId, settle };
      const withdraw = (error: Fault): void => {
        settle({ error });
        world.carry(this.peerId, peerId, () => target()?.withdrawn(requestId));
      };
      const onAbort = (): void => withdraw(fault("CANCELLED", { what: method }));
      const late = (): void => withdraw(fault("DEADLINE_EXCEEDED", { what: method, timeoutMs }));
      const timer = timeoutMs === Infinity ? undefined : world.clock.at(world.clock.now() + timeoutMs, late);
      this.#pending.add(pending);
      signal?.addEventListener("abort", onAbort, { once: true });
      const passing = { from: this.peerId, to: peerId, method, body: new Uint8Array(body) };
      if (world.onRequest(passing)) return;
      world.carry(this.peerId, peerId, () => {
        target()?.serve(this.peerId, passing, requestId, timeoutMs, (end) => {
          const answer = (): void =>
            settle(end.ok ? { body: new Uint8Array(end.body) } : { error: fromWireError(end.error) });
          const lateMs = world.answerDelayMs(method);
          if (lateMs > 0) world.clock.at(world.clock.now() + lateMs, answer);
          else world.carry(peerId, this.peerId, answer);
        });
      });
    });
  }

  nextRequestId(): number {
    this.#requests += 1;
    return this.#requests;
  }

  serve(
    from: string,
    { method, body }: Passing,
    requestId: number,
    remainingMs: number,
    answer: (end: { ok: true; body: Uint8Array } | { ok: false; error: WireError }) => void,
  ): void {
    if (!this.#connections.has(from)) return;
    if (!this.#prefixes.some((prefix) => method.startsWith(prefix))) {
      const { code, message, details } = fault("PEER_PROTOCOL", {
        peerId: this.peerId,
        why: `nobody answers ${method}`,
      });
      return answer({ ok: false, error: { code, message, details: { ...details } } });
    }
    this.#serving.set(requestId, answer);
    this.#emit("requested", { requestId, peerId: from, method, body, remainingMs });
  }

  withdrawn(requestId: number): void {
    if (this.#serving.delete(requestId)) this.#emit("withdrawn", { requestId });
  }

  #ref(): RefOf<typeof Network> {
    const call = {
      figures: () =>
        Promise.resolve({ peerId: this.peerId, addresses: [], connections: 0, serving: 0, refused: {} }),
      connections: () => Promise.resolve({ connections: [...this.#connections.values()] }),
      serve: ({ prefixes }: { prefixes: string[] }) => {
        this.#prefixes = [...this.#prefixes, ...prefixes];
        return Promise.resolve();
      },
      request: (params: { peerId: string; method: string; body: Uint8Array }, options: CallOptions = {}) =>
        this.#request(params, options),
      seal: async (content: { domain: string; payloadType: Uint8Array; payload: Uint8Array }) => ({
        envelope: await envelopeOf(this.#key, content),
      }),
    };
    const cast = {
      reply: ({
        requestId,
        end,
      }: {
        requestId: number;
        end: { ok: true; body: Uint8Array } | { ok: false; error: WireError };
      }) => {
        if (this.fullMailbox > 0) {
          this.fullMailbox -= 1;
          return false;
        }
        const answer = this.#serving.get(requestId);
        this.#serving.delete(requestId);
        answer?.(end);
        return true;
      },
    };
    const events = ["connected", "disconnected", "readdressed", "requested", "withdrawn"];
    const on = Object.fromEntries(
      events.map((event) => [event, (options?: SubscribeOptions) => this.#subscribe(event, options)]),
    );
    return {
      ...{ name: "network", call, cast, on },
      writable: () => Promise.resolve(),
      ready: () => Promise.resolve(),
      shared: () => null,
    } as unknown as RefOf<typeof Network>;
  }
}
