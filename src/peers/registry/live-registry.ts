import type { MessageContext } from "../../actor/index.ts";
import { LIMITS, fault, isFault, sentenceOf } from "../../errors/index.ts";
import { checkInteger, checkName, checkPage, invalidArgument } from "../../schema/index.ts";
import type { Timer } from "../../scope/index.ts";
import { isCapability, type RefusedFor } from "../capability-record.ts";
import type { Announcement } from "../discovery/discovery-source.ts";
import type { Discovery } from "../discovery/discovery.ts";
import type { ConnectionInfo, PeerHint, PeerRequest } from "../network.protocol.ts";
import { checkAddress, checkPeerId, peerIdIn } from "../peer-names.ts";
import type { DiscoveryInit, FigurePoint, KnownPeer, PeerQuery, SourceReport } from "../peers.protocol.ts";
import { Announcer } from "./announcer.ts";
import { Dialler, connectionIdOf, type ConnectRequest } from "./dialler.ts";
import { LossProbes, type ProbePace } from "./loss-probes.ts";
import { Measurer } from "./measurer.ts";
import type { NetworkListener } from "./network-watch.ts";
import type { PeerEntry } from "./peer-entry.ts";
import { PeerExchange, REGISTRY_PREFIX, type ProbeGrant } from "./peer-exchange.ts";
import { RecordIntake } from "./record-intake.ts";
import { PeerSearchRun } from "./peer-search-run.ts";
import type { RegistryContext } from "./registry-context.ts";
import type { RegistryFile } from "./registry-file.ts";

const SWEEP_MS = 60_000;
const SWEEPS_PER_SOURCE_SWEEP = 10;
/** One that holds for less is over before it has been told. */
const RECORD_TTL_MS_MIN = 10_000;
const GOODBYE_MS = 3_000;
const UP_MS = 10_000;
const HOUR_MS = 3_600_000;
const SORTS = ["last_seen", "latency", "bandwidth", "peer_id"];
const STATUSES = ["connected", "connecting", "disconnected"];

/** Joins what is known with the network, the sources and the store. */
export class LiveRegistry implements NetworkListener {
  readonly #context: RegistryContext;
  readonly #init: DiscoveryInit;
  readonly #file: RegistryFile;
  readonly #discovery: Discovery;
  readonly #intake: RecordIntake;
  readonly #exchange: PeerExchange;
  readonly #dialler: Dialler;
  readonly #measurer: Measurer;
  readonly #probes: LossProbes;
  readonly #announcer: Announcer;
  /** Who is connected and has been asked what it says of itself. */
  readonly #greeted = new Set<string>();
  readonly #asked = new Map<string, Promise<void>>();
  #life: AbortSignal | null = null;
  #sweeper: Timer | undefined;
  #sweeps = 0;

  constructor(
    context: RegistryContext,
    file: RegistryFile,
    discovery: Discovery,
    init: DiscoveryInit,
    { pace, measureMs }: { readonly pace: ProbePace; readonly measureMs: number },
  ) {
    this.#context = context;
    this.#init = init;
    this.#file = file;
    this.#discovery = discovery;
    this.#intake = new RecordIntake(context, file);
    this.#exchange = new PeerExchange(context.network, {
      told: (peerId, sealed) => this.#intake.told(peerId, sealed),
      probe: (peerId) => this.#grantProbe(peerId),
    });
    this.#dialler = new Dialler(context, file, (info) => this.connected(info));
    this.#measurer = new Measurer(context, file, this.#exchange, {
      everyMs: measureMs,
      connected: (info) => this.connected(info),
      lost: (peerId) => this.#lost(peerId),
    });
    this.#probes = new LossProbes({
      clock: context.clock,
      log: context.log,
      decided: (peerId, answered) => this.#probed(peerId, answered),
      pace,
    });
    this.#announcer = new Announcer(context, file, { ...init, tell: (own) => this.#tell(own) });
  }

  /** @throws INVALID_ARGUMENT for an init that is out of range */
  async open(): Promise<void> {
    const { capabilities, recordTtlMs } = this.#init;
    checkCapabilities("discovery.capabilities", capabilities);
    checkInteger("discovery.recordTtlMs", recordTtlMs, RECORD_TTL_MS_MIN, LIMITS.discovery.recordTtlMs);
    await this.#intake.load();
    this.#dialler.load();
    this.#armSweep();
  }

  /** Says goodbye to the sources, for a little while at the most. */
  async close(): Promise<void> {
    const { ownId } = this.#context.core;
    this.abandon();
    this.#measurer.keepPoints();
    // The actor's own signal has aborted already.
    if (ownId !== null) await this.#discovery.withdraw(ownId, GOODBYE_MS, new AbortController().signal);
  }

  /** What the death of the thread does. */
  abandon(): void {
    this.#sweeper?.cancel();
    this.#probes.close();
    this.#dialler.down();
    this.#announcer.down();
  }

  // --- the network --------------------------------------------------------------------------------------------------

  async up(life: AbortSignal): Promise<void> {
    const { network, core } = this.#context;
    const options = { signal: life, timeoutMs: UP_MS };
    await network.call.serve({ prefixes: [REGISTRY_PREFIX] }, options);
    const { peerId, addresses } = await network.call.figures(undefined, options);
    core.ownId = peerId;
    core.forget(peerId);
    this.#probes.listensAt(addresses);
    this.#life = life;
    this.#announcer.up();
    this.#measurer.up(life);
    const { connections } = await network.call.connections(undefined, options);
    for (const info of connections) this.connected(info);
    const { peers } = await network.call.sightings(undefined, options);
    for (const hint of peers) this.sighted(hint);
    this.#dialler.up();
  }

  down(): void {
    const { core, now } = this.#context;
    this.#life = null;
    this.#greeted.clear();
    this.#announcer.down();
    this.#dialler.down();
    this.#measurer.down();
    this.#probes.dropAll();
    for (const { peerId, connection } of [...core.entries()]) {
      if (connection === null) continue;
      core.disconnected(peerId, now());
      this.#context.changed(peerId);
    }
  }

  connected(info: ConnectionInfo): void {
    const { core, now, count, changed } = this.#context;
    const { peerId } = info;
    const moment = now();
    if (core.isShunned(peerId, moment.nowMs)) {
      this.#dialler.shun(peerId, "its time to be left alone is not over");
      return;
    }
    if (this.#life === null || this.#greeted.has(peerId)) return;
    this.#greeted.add(peerId);
    core.connected(info, moment);
    this.#dialler.connected(peerId);
    count("connected");
    changed(peerId);
    void this.#greet(info, this.#life);
  }

  disconnected({ peerId }: { readonly peerId: string }): void {
    this.#lost(peerId);
  }

  readdressed(): void {
    this.#announcer.readdressed();
  }

  heard(record: Uint8Array): void {
    this.#intake.offer(record, "gossip");
  }

  sighted(hint: PeerHint): void {
    if (this.#context.core.hint(hint, this.#context.now()) !== undefined) this.#context.count("sighted");
  }

  requested(request: PeerRequest): void {
    void this.#exchange.answer(request);
  }

  // --- what others ask ----------------------------------------------------------------------------------------------

  async discover(
    { capabilities, max, timeoutMs }: { capabilities: readonly string[]; max: number; timeoutMs: number },
    { signal, deadlineMs }: MessageContext,
  ): Promise<{ peers: KnownPeer[]; sources: SourceReport[]; tookMs: number }> {
    checkCapabilities("capabilities", capabilities);
    checkInteger("max", max, 1, LIMITS.peers.discovered);
    checkInteger("timeoutMs", timeoutMs, 1, LIMITS.peers.waitS * 1_000);
    const { clock, core, now } = this.#context;
    const startedMs = clock.now();
    const run = new PeerSearchRun({
      context: this.#context,
      discovery: this.#discovery,
      intake: this.#intake,
      dial: async (peerId, leftMs, life) => {
        // Whoever is connected is asked for its record, which the search waits for.
        if (await this.#dialler.tryOnce(peerId, leftMs, life)) await this.#askRecord(peerId, life);
      },
    });
    const sources = await run.search(
      { capabilities, max },
      // An answer that comes too late is none.
      Math.min(timeoutMs, Math.max(0, deadlineMs - startedMs - ANSWER_MS)),
      AbortSignal.any([signal, this.#context.signal]),
    );
    const { peers } = core.list(
      { capabilities, sortBy: "last_seen", offset: 0, limit: LIMITS.discovery.peers },
      now(),
    );
    const verifiedFirst = peers.toSorted((one, other) => Number(other.verified) - Number(one.verified));
    return { peers: verifiedFirst.slice(0, max), sources, tookMs: clock.now() - startedMs };
  }

  list(query: PeerQuery): { peers: KnownPeer[]; total: number } {
    checkPage(query);
    const { capabilities, sortBy, status } = query;
    if (capabilities !== undefined) checkCapabilities("capabilities", capabilities);
    if (sortBy !== undefined && !SORTS.includes(sortBy))
      throw invalidArgument("sortBy", JSON.stringify(sortBy), `one of ${SORTS.join(", ")}`);
    if (status !== undefined && !STATUSES.includes(status))
      throw invalidArgument("status", JSON.stringify(status), `one of ${STATUSES.join(", ")}`);
    return this.#context.core.list(query, this.#context.now());
  }

  async peer(peerId: string): Promise<KnownPeer> {
    this.#entryOf(peerId);
    await this.#measurer.refresh();
    return this.#entryOf(peerId).at(this.#context.now());
  }

  history(peerId: string, hours: number): FigurePoint[] {
    checkInteger("hours", hours, 1, LIMITS.peers.historyHours);
    const { point } = this.#entryOf(peerId);
    const thisHourMs = Math.floor(this.#context.now().wallMs / HOUR_MS) * HOUR_MS;
    const kept = this.#file.points(peerId, thisHourMs - (hours - 1) * HOUR_MS);
    return point === null ? kept : [...kept.filter(({ atMs }) => atMs !== point.atMs), point];
  }

  async connect(
    request: ConnectRequest,
    message: MessageContext,
  ): Promise<{ connectionId: string; attempts: number; tookMs: number; peer: KnownPeer }> {
    const { clock, now } = this.#context;
    const checked = checkedConnect(request);
    if (checked.peerId === this.#context.core.ownId)
      throw invalidArgument("peerId", `"${checked.peerId}"`, "another peer than this node itself");
    const { peerId, address } = checked;
    const startedMs = clock.now();
    const attempts = await this.#dialler.connect(checked, message);
    const tookMs = clock.now() - startedMs;
    const entry = this.#entryOf(peerId);
    // So that the answer tells what the peer can do.
    if (entry.record === null) await this.#askRecord(peerId, message.signal);
    return {
      connectionId: connectionIdOf(peerId, address),
      attempts,
      tookMs,
      peer: this.#entryOf(peerId).at(now()),
    };
  }

  async disconnect(
    { peerId: named, graceful, reason }: { peerId: string; graceful: boolean; reason: string },
    message: MessageContext,
  ): Promise<{ wasConnected: boolean; tookMs: number }> {
    const { clock, log, changed } = this.#context;
    const peerId = checkPeerId("peerId", named);
    const startedMs = clock.now();
    const wasConnected = await this.#dialler.disconnect(peerId, graceful, message);
    log.info("a peer was disconnected on request", { peerId, reason, wasConnected });
    changed(peerId);
    return { wasConnected, tookMs: clock.now() - startedMs };
  }

  offer(capabilities: readonly string[]): Promise<number> {
    checkCapabilities("capabilities", capabilities);
    return this.#announcer.offer(capabilities);
  }

  judged(peerId: string, ok: boolean, why: string): void {
    const { core, now, changed } = this.#context;
    if (core.judged(peerId, ok, now())) this.#dialler.shun(peerId, why);
    changed(peerId);
  }

  /** @returns false for one that is connected, or not known */
  async forget(named: string): Promise<boolean> {
    const peerId = checkPeerId("peerId", named);
    if (!this.#context.core.forget(peerId)) return false;
    await this.#dialler.release(peerId);
    this.#measurer.forget(peerId);
    await this.#file.forget(peerId);
    return true;
  }

  // --- by itself ----------------------------------------------------------------------------------------------------

  /** A peer that has just connected: what it says of itself, and whether it may be probed. */
  async #greet({ peerId, address, limited }: ConnectionInfo, life: AbortSignal): Promise<void> {
    await this.#askRecord(peerId, life);
    if (limited) return;
    try {
      const grant = await this.#exchange.probe(peerId, life);
      if (this.#context.core.get(peerId)?.connection !== null) this.#probes.probe(peerId, address, grant);
    } catch (error) {
      if (!isFault(error)) throw error;
    }
  }

  /** Never rejects. Whoever asks while it is being asked waits for the same answer. */
  #askRecord(peerId: string, signal: AbortSignal): Promise<void> {
    const asked = this.#asked.get(peerId) ?? this.#askForRecord(peerId, signal);
    this.#asked.set(peerId, asked);
    return asked.finally(() => this.#asked.delete(peerId));
  }

  async #askForRecord(peerId: string, signal: AbortSignal): Promise<void> {
    try {
      const sealed = await this.#exchange.record(peerId, signal);
      const taken = await this.#intake.take(sealed, "connection", { from: peerId });
      // A peer that signs what it may not say is not to be worked with.
      if (!taken.ok && !INNOCENT.includes(taken.for))
        this.judged(peerId, false, `its own record is refused: ${taken.why}`);
    } catch (error) {
      if (!isFault(error) && !signal.aborted) throw error;
      this.#context.count("records_not_told");
      this.#context.log.debug("a peer did not tell its record", { peerId, why: sentenceOf(error) });
    }
  }

  async #grantProbe(peerId: string): Promise<ProbeGrant> {
    const grant = await this.#probes.grant(peerId);
    if (grant === null) throw fault("UNAVAILABLE", { what: "probing", why: "no UDP socket can be opened" });
    return grant;
  }

  #probed(peerId: string, answered: boolean): boolean {
    const probes = this.#context.core.get(peerId)?.figures.probes;
    probes?.add(answered, this.#context.clock.now());
    return probes?.isWalled ?? false;
  }

  #lost(peerId: string): void {
    const { core, now, changed, count } = this.#context;
    const moment = now();
    const sinceMs = core.get(peerId)?.connection?.sinceMs;
    core.disconnected(peerId, moment);
    this.#greeted.delete(peerId);
    this.#probes.drop(peerId);
    if (sinceMs !== undefined) count("disconnected");
    this.#dialler.lost(peerId, sinceMs === undefined ? 0 : moment.wallMs - sinceMs);
    changed(peerId);
  }

  /** Sources, and all who are connected; then the sources are asked, so that what is known keeps up with them. */
  #tell(own: Announcement): void {
    const life = this.#life;
    if (life === null) return;
    for (const { peerId, connection } of this.#context.core.entries()) {
      if (connection === null) continue;
      // Who cannot be told asks when half of the old record's life is over.
      void this.#exchange.tell(peerId, own.sealed, life).catch(() => this.#context.count("peers_not_told"));
    }
    void this.#discovery.announce(own, life).then(() => this.#look(life));
  }

  async #look(life: AbortSignal): Promise<void> {
    const { core, now } = this.#context;
    const search = { capabilities: [], max: LIMITS.peers.discovered };
    await this.#discovery.search(search, LOOK_MS, life, (finding, source) => {
      if (finding.kind === "record") this.#intake.offer(finding.sealed, source);
      else core.hint(finding.hint, now());
    });
  }

  #armSweep(): void {
    const { clock } = this.#context;
    this.#sweeper = clock.at(clock.now() + SWEEP_MS, () => this.#sweep());
  }

  #sweep(): void {
    const { core, now, changed, count } = this.#context;
    const moment = now();
    const { expired, gone } = core.sweep(moment);
    count("expired", expired.length);
    for (const peerId of gone) this.#measurer.forget(peerId);
    for (const peerId of expired) changed(peerId);
    this.#file.sweep(moment.wallMs);
    this.#askAgain(moment.wallMs);
    this.#sweeps += 1;
    if (this.#life !== null && this.#sweeps % SWEEPS_PER_SOURCE_SWEEP === 0)
      void this.#discovery.sweep(this.#life);
    this.#armSweep();
  }

  /** Connected peers whose record is past half of its life: they will have a newer one. */
  #askAgain(wallMs: number): void {
    if (this.#life === null) return;
    for (const { peerId, connection, record } of this.#context.core.entries()) {
      if (connection === null) continue;
      const halfMs = record === null ? -Infinity : (record.issuedAtMs + record.expiresAtMs) / 2;
      if (wallMs > halfMs) void this.#askRecord(peerId, this.#life);
    }
  }

  #entryOf(named: string): PeerEntry {
    const peerId = checkPeerId("peerId", named);
    const entry = this.#context.core.get(peerId);
    if (entry === undefined) throw fault("PEER_NOT_FOUND", { peerId });
    return entry;
  }
}

/** What a clock that is set wrong may do to a record. */
const INNOCENT: readonly RefusedFor[] = ["expired", "future", "sequence"];
/** Left of a caller's time to answer it. */
const ANSWER_MS = 100;
const LOOK_MS = 30_000;

function checkCapabilities(argument: string, capabilities: readonly string[]): void {
  const { capabilities: max, capabilityChars } = LIMITS.peers;
  if (!Array.isArray(capabilities) || capabilities.length > max)
    throw invalidArgument(argument, "something else", `a list of at most ${max} names`);
  const index = capabilities.findIndex((each) => !isCapability(each));
  if (index < 0) return;
  checkName(`${argument}[${index}]`, capabilities[index], capabilityChars);
  throw invalidArgument(`${argument}[${index}]`, "a control character", "a name without any");
}

function checkedConnect(request: ConnectRequest): ConnectRequest {
  const peerId = checkPeerId("peerId", request.peerId);
  const address = checkAddress("address", request.address);
  const named = peerIdIn(address);
  if (named !== null && named !== peerId)
    throw invalidArgument("address", `one of peer ${named}`, `an address of peer ${peerId}`);
  checkInteger("attempts", request.attempts, 1, LIMITS.peers.retries);
  checkInteger("attemptMs", request.attemptMs, 1, LIMITS.peers.waitS * 1_000);
  return { ...request, peerId, address };
}
