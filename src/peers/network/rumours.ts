import { createHash } from "node:crypto";
import { TopicValidatorResult, type Message } from "@libp2p/gossipsub";
import type { PeerDiscovery, PeerInfo } from "@libp2p/interface";
import { CID } from "multiformats/cid";
import * as raw from "multiformats/codecs/raw";
import * as Digest from "multiformats/hashes/digest";
import { LIMITS, fault, isCancellation, sentenceOf } from "../../errors/index.ts";
import type { Clock } from "../../scope/index.ts";
import { checkRecord } from "../capability-record.ts";
import type { PeerHint } from "../network.protocol.ts";
import { canonicalAddress, canonicalPeerId, peerIdIn } from "../peer-names.ts";
import { guarded } from "./guarded.ts";
import type { Host } from "./host.ts";
import type { Refusals } from "./refusals.ts";

/** What peers tell of peers: records by gossip, hints by the hash table and the local network. */

const RECORDS_TOPIC = "mcplusplus/records/1";
const SHA2_256 = 0x12;

export interface RumourPlace {
  readonly clock: Clock;
  readonly refusals: Refusals;
  readonly heard: (record: Uint8Array) => void;
  readonly sighted: (hint: PeerHint) => void;
  readonly defect: (error: unknown) => void;
}

export class Rumours {
  readonly #node: Host["node"];
  readonly #place: RumourPlace;
  /** Records whose signatures are being checked. */
  #checking = 0;

  constructor(node: Host["node"], place: RumourPlace) {
    this.#node = node;
    this.#place = place;
  }

  open(): void {
    const { dht, gossip } = this.#node.services;
    // Its own type does not say that it discovers peers.
    const discovery = dht as (typeof dht & PeerDiscovery) | undefined;
    const { defect } = this.#place;
    discovery?.addEventListener(
      "peer",
      guarded(({ detail }) => this.#sighted(detail), defect),
    );
    if (gossip === undefined) return;
    gossip.topicValidators.set(RECORDS_TOPIC, async (_, message) => {
      const from = message.type === "signed" ? message.from.toString() : null;
      return this.#judge(message.data, from);
    });
    gossip.subscribe(RECORDS_TOPIC);
    const hear = ({ detail }: CustomEvent<Message>): void => {
      if (detail.topic === RECORDS_TOPIC) this.#place.heard(new Uint8Array(detail.data));
    };
    gossip.addEventListener("message", guarded(hear, defect));
  }

  /** To how many it went at once; they pass it on. */
  async publish(record: Uint8Array): Promise<number> {
    const { gossip } = this.#node.services;
    if (gossip === undefined) return 0;
    try {
      return (await gossip.publish(RECORDS_TOPIC, record)).recipients.length;
    } catch (error) {
      throw fault("DISCOVERY_FAILED", { source: "gossip", why: sentenceOf(error) }, { cause: error });
    }
  }

  async provide(capabilities: readonly string[], signal: AbortSignal): Promise<number> {
    const { dht } = this.#node.services;
    if (dht === undefined) return 0;
    let provided = 0;
    for (const capability of capabilities) {
      signal.throwIfAborted();
      // One by one: each is a walk through the table with many streams of its own.
      if (await reached(dht.provide(keyOf(capability), { signal }), signal)) provided += 1;
    }
    return provided;
  }

  async providers(capabilities: readonly string[], max: number, signal: AbortSignal): Promise<PeerHint[]> {
    const { dht } = this.#node.services;
    if (dht === undefined || capabilities.length === 0) return [];
    const found = await Promise.all(capabilities.map((each) => this.#providersOf(each, signal)));
    const [first, ...others] = found;
    const common = [...(first?.values() ?? [])].filter(({ peerId }) =>
      others.every((each) => each.has(peerId)),
    );
    return common.slice(0, max);
  }

  #sighted({ id, multiaddrs }: PeerInfo): void {
    const hint = hintOf(id.toString(), multiaddrs.map(String), "dht");
    if (hint !== null && hint.peerId !== this.#node.peerId.toString()) this.#place.sighted(hint);
  }

  async #providersOf(capability: string, signal: AbortSignal): Promise<Map<string, PeerHint>> {
    const hints = new Map<string, PeerHint>();
    const { dht } = this.#node.services;
    if (dht === undefined) return hints;
    try {
      for await (const event of dht.findProviders(keyOf(capability), { signal })) {
        if (event.name !== "PROVIDER") continue;
        for (const { id, multiaddrs } of event.providers) {
          const hint = hintOf(id.toString(), multiaddrs.map(String), "dht");
          if (hint === null || hint.peerId === this.#node.peerId.toString()) continue;
          hints.set(hint.peerId, merged(hint, hints.get(hint.peerId)));
        }
        if (hints.size >= LIMITS.peers.discovered) break;
      }
    } catch (error) {
      // A walk that ends early, or finds nobody to ask, has found what it has found.
      if (hints.size === 0 && signal.aborted) throw signal.reason;
      if (isCancellation(error)) return hints;
    }
    return hints;
  }

  async #judge(record: Uint8Array, from: string | null): Promise<TopicValidatorResult> {
    if (this.#checking >= LIMITS.network.checkedRecords) {
      this.#place.refusals.count("record");
      return TopicValidatorResult.Ignore;
    }
    this.#checking += 1;
    try {
      const nowMs = this.#place.clock.wallNow();
      const checked = await checkRecord(record, { nowMs, sequenceOf: () => undefined });
      // Whoever sends another's record again and again would make the network carry it each time.
      if (checked.verdict !== "refused" && checked.record.peerId === from) return TopicValidatorResult.Accept;
      this.#place.refusals.count("record");
      return TopicValidatorResult.Reject;
    } catch (error) {
      this.#place.defect(error);
      return TopicValidatorResult.Ignore;
    } finally {
      this.#checking -= 1;
    }
  }
}

/** A hint in canonical form, within its bounds; null when it names nobody. */
export function hintOf(
  id: string,
  addresses: readonly string[],
  source: PeerHint["source"],
): PeerHint | null {
  const peerId = canonicalPeerId(id);
  if (peerId === null) return null;
  const sound = addresses
    .map(canonicalAddress)
    .filter((address) => address !== null)
    // As the peer itself writes them, so that an address is one, however many tell of it.
    .map((address) => (peerIdIn(address) === null ? `${address}/p2p/${peerId}` : address));
  return { peerId, addresses: [...new Set(sound)].slice(0, LIMITS.network.addresses), source };
}

const merged = (hint: PeerHint, earlier: PeerHint | undefined): PeerHint => ({
  ...hint,
  addresses: [...new Set([...hint.addresses, ...(earlier?.addresses ?? [])])].slice(
    0,
    LIMITS.network.addresses,
  ),
});

/** Under which a capability is provided. */
function keyOf(capability: string): CID {
  const digest = createHash("sha256").update(`mcplusplus/capability/${capability}`).digest();
  return CID.createV1(raw.code, Digest.create(SHA2_256, new Uint8Array(digest)));
}

/** Did anybody take it? @throws the reason of the signal */
async function reached(
  walk: AsyncIterable<{ readonly name: string }>,
  signal: AbortSignal,
): Promise<boolean> {
  let isTaken = false;
  try {
    for await (const { name } of walk) if (name === "PEER_RESPONSE") isTaken = true;
  } catch {
    signal.throwIfAborted();
  }
  return isTaken;
}
