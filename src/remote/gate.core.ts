import { LIMITS, fault, type Fault } from "../errors/index.ts";
import { checkInteger, checkName, checkNumber, checkTexts, invalidArgument } from "../schema/index.ts";
import type { GrantClaims } from "./grant-token.ts";
import { ANY_NAME, type Authorization, type Grant, type GrantTerms } from "./remote.protocol.ts";
import { Refusals, type RefusalKind } from "./refusals.ts";

/** A grant as it is kept. */
export type KeptGrant = Omit<Grant, "running" | "started" | "refused">;

/** Why something is not allowed, in words and for counting. */
export interface Refusal {
  readonly kind: RefusalKind;
  readonly error: Fault;
  /** When it may be worth another try; 0 = nothing is known of that. */
  readonly afterMs: number;
}

export interface GateOptions {
  readonly grants: readonly KeptGrant[];
  /** Tasks of peers that run here at once, of all together. */
  readonly servedMax: number;
}

interface Entry {
  grant: KeptGrant;
  /** It has shown the token of this grant on the connection that it has. */
  isOpen: boolean;
  /** Its tasks whose handlers may be at work. */
  running: number;
  /** The same, and those of which it has not taken note how they ended. */
  untaken: number;
  started: number;
  readonly refused: Map<RefusalKind, number>;
  /** Starts that it may make at once, as of then: a bucket that fills by the minute. */
  starts: number;
  filledAtMs: number;
}

const MINUTE_MS = 60_000;

/**
 * Who may run what here. Nothing is allowed that no grant says, whoever asks: a peer shows the token of its grant, and is
 * held to what the grant says at each start. Deterministic: the time is an argument.
 */
export class Gate {
  readonly refusals = new Refusals();
  readonly #servedMax: number;
  /** By peer: the grant that it was given last. */
  readonly #entries = new Map<string, Entry>();
  /** Actions that there are handlers for. */
  #offered: ReadonlySet<string> = new Set();
  /** This node stops: there is no room for anybody. */
  isClosed = false;
  /** Handlers of all peers' tasks that may be at work. */
  #served = 0;

  constructor({ grants, servedMax }: GateOptions) {
    this.#servedMax = servedMax;
    for (const grant of grants) this.put(grant);
  }

  // --- grants -------------------------------------------------------------------------------------------------------

  /** What would be refused, were it granted now. @throws INVALID_ARGUMENT */
  check(terms: GrantTerms, nowMs: number): void {
    const limits = LIMITS.remote;
    checkName("peerId", terms.peerId, LIMITS.peers.idChars);
    checkNames("actions", terms.actions);
    checkNames("tools", terms.tools);
    checkInteger("concurrency", terms.concurrency, 1, limits.concurrency);
    checkInteger("perMinute", terms.perMinute, 1, limits.perMinute);
    checkInteger("bytesMax", terms.bytesMax, 1, limits.bytesMax);
    checkNumber("expiresAtMs", terms.expiresAtMs, Math.floor(nowMs) + 1, 8.64e15);
    if (this.#entries.has(terms.peerId) || this.#entries.size < limits.grants || this.#oldestVoid(nowMs))
      return;
    throw invalidArgument(
      "terms",
      `one grant more than ${limits.grants}`,
      `at most ${limits.grants} that hold; revoke one first`,
    );
  }

  /** Whose grant, which holds no longer, makes room for one of this peer; null: none needs to. */
  leavingFor(peerId: string, nowMs: number): string | null {
    if (this.#entries.has(peerId) || this.#entries.size < LIMITS.remote.grants) return null;
    return this.#oldestVoid(nowMs) ?? null;
  }

  /** In place of the peer's earlier grant, whose token is worth nothing from now on. */
  put(grant: KeptGrant): void {
    const left = this.leavingFor(grant.peerId, grant.issuedAtMs);
    if (left !== null) this.#entries.delete(left);
    const before = this.#entries.get(grant.peerId);
    this.#entries.set(grant.peerId, {
      grant,
      isOpen: false,
      running: before?.running ?? 0,
      untaken: before?.untaken ?? 0,
      started: before?.started ?? 0,
      refused: before?.refused ?? new Map<RefusalKind, number>(),
      starts: grant.perMinute,
      filledAtMs: grant.issuedAtMs,
    });
  }

  /** False when there is none that holds. */
  revoke(peerId: string, nowMs: number): KeptGrant | null {
    const entry = this.#entries.get(peerId);
    if (!entry || entry.grant.revokedAtMs !== null) return null;
    entry.grant = { ...entry.grant, revokedAtMs: nowMs };
    entry.isOpen = false;
    return entry.grant;
  }

  grants(): Grant[] {
    return Array.from(this.#entries.values(), ({ grant, running, started, refused }) => ({
      ...grant,
      running,
      started,
      refused: Object.fromEntries(refused),
    }));
  }

  /** These are the actions that there are handlers for. */
  offer(actions: Iterable<string>): void {
    this.#offered = new Set(actions);
  }

  /** Actions that some grant which holds names, and that there are; what is allowed as "any" is not among them. */
  namedActions(nowMs: number): string[] {
    const named = new Set<string>();
    for (const { grant } of this.#entries.values()) {
      if (holds(grant, nowMs)) for (const action of grant.actions) named.add(action);
    }
    return [...this.#offered.intersection(named)].toSorted();
  }

  hasGrants(nowMs: number): boolean {
    return this.#entries.values().some(({ grant }) => holds(grant, nowMs));
  }

  /** That the peer may run here, and that there are; at most as many as a grant names. */
  actionsOf({ actions }: Pick<KeptGrant, "actions">): string[] {
    return [...this.#offered]
      .filter((action) => covers(actions, action))
      .toSorted()
      .slice(0, LIMITS.remote.actions);
  }

  // --- what a peer wants --------------------------------------------------------------------------------------------

  /** It has shown a token that this node has signed. @param claims what that says */
  greet(peerId: string, claims: GrantClaims, nowMs: number): KeptGrant | Refusal {
    const entry = this.#entries.get(peerId);
    if (claims.audience !== peerId) {
      return this.#refuse(
        peerId,
        "token_audience",
        notAuthorized(peerId, "use this token", "it is another peer's"),
      );
    }
    if (entry?.grant.grantId !== claims.grantId) {
      const why = "its grant is not known any more, or was replaced by another";
      return this.#refuse(peerId, "grant_unknown", notAuthorized(peerId, "use this token", why));
    }
    const refusal = this.#void(entry.grant, "use this token", nowMs);
    if (refusal) return refusal;
    entry.isOpen = true;
    return entry.grant;
  }

  /** It is connected no longer: it shows its token again when it comes back. */
  leave(peerId: string): void {
    const entry = this.#entries.get(peerId);
    if (entry) entry.isOpen = false;
  }

  /** Null: it may start, and then `ended` and `taken` are to be called for it, each once. @param sizeBytes of its input, large values included */
  start(peerId: string, action: string, sizeBytes: number, nowMs: number): Refusal | null {
    const what = `run ${action}`;
    const found = this.#allowing(peerId, what, nowMs);
    if ("kind" in found) return found;
    const { grant } = found;
    if (!covers(grant.actions, action)) {
      return this.#refuse(
        peerId,
        "action",
        notAuthorized(peerId, what, "its grant does not name this action"),
      );
    }
    if (!this.#offered.has(action)) {
      return this.#refuse(peerId, "action", notAuthorized(peerId, what, "there is no handler for it here"));
    }
    const oversize = this.oversize(peerId, sizeBytes);
    if (oversize) return oversize;
    if (placesOf(found) === 0) {
      return this.#limit(peerId, "concurrency", "what it runs at once", grant.concurrency, "tasks");
    }
    if (this.#served >= this.#servedMax) {
      return this.#limit(peerId, "served", "what all peers run at once", this.#servedMax, "tasks");
    }
    fill(found, nowMs);
    if (found.starts < 1) {
      const afterMs = Math.ceil(((1 - found.starts) / grant.perMinute) * MINUTE_MS);
      return this.#limit(peerId, "rate", "what it starts in a minute", grant.perMinute, "tasks", afterMs);
    }
    found.starts -= 1;
    found.running += 1;
    found.untaken += 1;
    found.started += 1;
    this.#served += 1;
    return null;
  }

  /** The handler of a task that was allowed to start has ended. */
  ended(peerId: string): void {
    const entry = this.#entries.get(peerId);
    if (entry) entry.running -= 1;
    this.#served -= 1;
  }

  /** The peer has taken note of how its task ended, or need not. */
  taken(peerId: string): void {
    const entry = this.#entries.get(peerId);
    if (entry) entry.untaken -= 1;
  }

  /** Is so much too much for one input or output of this peer? */
  oversize(peerId: string, sizeBytes: number): Refusal | null {
    const bytesMax = this.bytesMaxOf(peerId);
    if (sizeBytes <= bytesMax) return null;
    return this.#limit(peerId, "bytes", "one input or output", bytesMax, "bytes");
  }

  bytesMaxOf(peerId: string): number {
    return this.#entries.get(peerId)?.grant.bytesMax ?? 0;
  }

  /** @param tool null: any at all */
  authorize(peerId: string, tool: string | null, nowMs: number): Authorization {
    const what = tool === null ? "call tools" : `call ${tool}`;
    const found = this.#allowing(peerId, what, nowMs);
    if ("kind" in found) return { ok: false, why: found.error.message };
    const { grantId, tools } = found.grant;
    if (tool === null ? tools.length > 0 : covers(tools, tool)) return { ok: true, grantId, tools };
    const why = tool === null ? "its grant names no tools" : "its grant does not name this tool";
    return { ok: false, why: this.#refuse(peerId, "tool", notAuthorized(peerId, what, why)).error.message };
  }

  /** Tasks that it may start now, as far as room goes. */
  roomOf(peerId: string): number {
    const entry = this.#entries.get(peerId);
    if (!entry?.isOpen || this.isClosed) return 0;
    return Math.max(0, Math.min(placesOf(entry), this.#servedMax - this.#served));
  }

  /** Counts what was refused for another reason than a grant. */
  refuse(peerId: string, kind: RefusalKind, error: Fault, nowMs: number): Refusal {
    this.refusals.nowMs = nowMs;
    return this.#refuse(peerId, kind, error);
  }

  // --- refusals -----------------------------------------------------------------------------------------------------

  /** The peer's grant, if it holds and its token was shown. */
  #allowing(peerId: string, what: string, nowMs: number): Entry | Refusal {
    this.refusals.nowMs = nowMs;
    const entry = this.#entries.get(peerId);
    if (!entry) {
      return this.#refuse(
        peerId,
        "no_grant",
        notAuthorized(peerId, what, "this node has granted it nothing"),
      );
    }
    const refusal = this.#void(entry.grant, what, nowMs);
    if (refusal) return refusal;
    if (entry.isOpen) return entry;
    return this.#refuse(
      peerId,
      "no_token",
      notAuthorized(peerId, what, "it has shown no token on this connection"),
    );
  }

  #void(grant: KeptGrant, what: string, nowMs: number): Refusal | null {
    this.refusals.nowMs = nowMs;
    if (grant.revokedAtMs !== null) {
      return this.#refuse(
        grant.peerId,
        "revoked",
        notAuthorized(grant.peerId, what, "its grant was revoked"),
      );
    }
    if (grant.expiresAtMs > nowMs) return null;
    return this.#refuse(grant.peerId, "expired", notAuthorized(grant.peerId, what, "its grant has expired"));
  }

  #limit(peerId: string, kind: RefusalKind, what: string, limit: number, unit: string, afterMs = 0): Refusal {
    return this.#refuse(peerId, kind, fault("PEER_LIMITED", { peerId, what, limit, unit }), afterMs);
  }

  #refuse(peerId: string, kind: RefusalKind, error: Fault, afterMs = 0): Refusal {
    this.refusals.add(peerId, kind, error.message);
    const refused = this.#entries.get(peerId)?.refused;
    refused?.set(kind, (refused.get(kind) ?? 0) + 1);
    return { kind, error, afterMs };
  }

  /** Whose grant holds no longer and is the oldest of these, when room for another is needed. */
  #oldestVoid(nowMs: number): string | undefined {
    for (const [peerId, { grant, untaken }] of this.#entries) {
      if (untaken === 0 && !holds(grant, nowMs)) return peerId;
    }
    return undefined;
  }
}

/**
 * As many ends as it may have tasks can be on their way to it beside those: so it need not wait for the way there and back
 * between two tasks, and cannot heap up ends.
 */
const placesOf = ({ grant: { concurrency }, running, untaken }: Entry): number =>
  Math.max(0, Math.min(concurrency - running, 2 * concurrency - untaken));

const holds = ({ revokedAtMs, expiresAtMs }: KeptGrant, nowMs: number): boolean =>
  revokedAtMs === null && expiresAtMs > nowMs;

const covers = (allowed: readonly string[], name: string): boolean =>
  allowed.includes(name) || allowed.includes(ANY_NAME);

/** @see https://en.wikipedia.org/wiki/Token_bucket */
function fill(entry: Entry, nowMs: number): void {
  const { perMinute } = entry.grant;
  // A clock that was set back fills nothing, and takes nothing.
  const spanMs = Math.max(0, nowMs - entry.filledAtMs);
  entry.starts = Math.min(perMinute, entry.starts + (spanMs / MINUTE_MS) * perMinute);
  entry.filledAtMs = nowMs;
}

function checkNames(argument: string, names: readonly string[]): void {
  checkTexts(argument, names);
  const { actions } = LIMITS.remote;
  if (names.length > actions) throw invalidArgument(argument, `${names.length} names`, `at most ${actions}`);
  for (const [index, each] of names.entries())
    checkName(`${argument}[${index}]`, each, LIMITS.queue.nameChars);
}

const notAuthorized = (peerId: string, what: string, why: string): Fault =>
  fault("NOT_AUTHORIZED", { peerId, what, why });
