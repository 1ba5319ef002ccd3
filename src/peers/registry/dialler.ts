import { createHash } from "node:crypto";
import type { MessageContext } from "../../actor/index.ts";
import { LIMITS, fault, isCancellation, isFault, sentenceOf } from "../../errors/index.ts";
import { withScope, type Timer } from "../../scope/index.ts";
import type { ConnectionInfo } from "../network.protocol.ts";
import type { RegistryContext } from "./registry-context.ts";
import type { RegistryFile } from "./registry-file.ts";

/** Between the attempts of one `connect`. */
const ATTEMPT_PAUSE_MS = 250;
const ATTEMPT_PAUSE_MS_MAX = 5_000;
/** Between the attempts to have a persistent peer back. */
const REDIAL_MS = 1_000;
const REDIAL_MS_MAX = 300_000;
/** A connection that did not last so long is no reason to begin anew with short pauses. */
const LASTING_MS = 30_000;
/** How long requests under way may take to end when a connection is closed gracefully. */
const GRACE_MS = 2_000;

export interface ConnectRequest {
  readonly peerId: string;
  readonly address: string;
  readonly attempts: number;
  readonly attemptMs: number;
  readonly persist: boolean;
}

interface Redial {
  tries: number;
  timer: Timer | undefined;
  /** Takes back what is under way. */
  readonly end: AbortController;
}

/** Opens connections, keeps the persistent ones, and closes them. */
export class Dialler {
  readonly #context: RegistryContext;
  readonly #file: RegistryFile;
  readonly #onConnected: (info: ConnectionInfo) => void;
  readonly #redials = new Map<string, Redial>();
  /** While the network is away, nothing is dialled. */
  #isUp = false;

  constructor(context: RegistryContext, file: RegistryFile, onConnected: (info: ConnectionInfo) => void) {
    this.#context = context;
    this.#file = file;
    this.#onConnected = onConnected;
  }

  /** Takes up what an earlier life has kept. */
  load(): void {
    const { core, now } = this.#context;
    for (const { peerId, addresses } of this.#file.persistent()) core.persist(peerId, addresses, now());
  }

  // --- on request ---------------------------------------------------------------------------------------------------

  /** @throws PEER_UNREACHABLE, ADDRESS_NOT_ALLOWED, INVALID_ARGUMENT, CANCELLED, and what a full or damaged store throws */
  async connect(request: ConnectRequest, { signal, deadlineMs }: MessageContext): Promise<number> {
    const { core, clock, now, changed } = this.#context;
    const { peerId, address, attempts, attemptMs, persist } = request;
    const entry = core.addressed(peerId, [address], now());
    // Whoever asks for a peer by name has forgiven it.
    core.pardon(peerId);
    entry.isDialled = entry.connection === null;
    changed(peerId);
    try {
      for (let attempt = 1; ; attempt++) {
        const leftMs = Math.max(0, Math.min(attemptMs, deadlineMs - clock.now()));
        const ended = await this.#attempt(peerId, [address], leftMs, signal);
        if (ended.ok) {
          this.#onConnected(ended.info);
          if (persist) await this.#persist(peerId, address);
          return attempt;
        }
        if (attempt >= attempts) {
          const details = { peer: peerId, why: ended.why, attempts: attempt };
          throw fault("PEER_UNREACHABLE", details, { cause: ended.error });
        }
        await this.#pause(backoff(attempt, ATTEMPT_PAUSE_MS, ATTEMPT_PAUSE_MS_MAX), signal);
      }
    } finally {
      entry.isDialled = false;
      changed(peerId);
    }
  }

  /** @returns whether it was connected. It is not dialled again by itself. */
  async disconnect(peerId: string, graceful: boolean, { signal }: MessageContext): Promise<boolean> {
    const { core, network } = this.#context;
    await this.release(peerId);
    const graceMs = graceful ? GRACE_MS : 0;
    const { wasConnected } = await network.call.hangUp({ peerId, graceMs }, { signal });
    if (wasConnected) core.disconnected(peerId, this.#context.now());
    return wasConnected;
  }

  /** Is not kept any more. @throws STORE_FULL, STORE_FAILED, STORE_CORRUPT */
  async release(peerId: string): Promise<void> {
    this.#cancel(peerId);
    const entry = this.#context.core.get(peerId);
    if (entry?.persistentAt === null || entry === undefined) return;
    entry.persistentAt = null;
    await this.#file.release(peerId);
  }

  /** One attempt at all known addresses, of which nobody hears but who asked. @returns whether it is connected */
  async tryOnce(peerId: string, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const { core, now, changed } = this.#context;
    const entry = core.get(peerId);
    if (entry === undefined || core.isShunned(peerId, now().nowMs)) return false;
    if (entry.connection !== null) return true;
    if (entry.isDialled || entry.addresses.length === 0) return false;
    entry.isDialled = true;
    try {
      const ended = await this.#attempt(peerId, entry.addresses, timeoutMs, signal);
      if (!ended.ok) return false;
      this.#onConnected(ended.info);
      return true;
    } catch {
      // An address that is not allowed here, or the end of whoever asked.
      return false;
    } finally {
      entry.isDialled = false;
      changed(peerId);
    }
  }

  // --- by itself ----------------------------------------------------------------------------------------------------

  /** The network is there: persistent peers that are not connected are dialled, each a little after the other. */
  up(): void {
    this.#isUp = true;
    for (const { peerId } of this.#context.core.entries()) this.lost(peerId, Infinity);
  }

  down(): void {
    this.#isUp = false;
    for (const peerId of [...this.#redials.keys()]) this.#cancel(peerId);
  }

  /** @param lastedMs how long the connection lasted that was lost */
  lost(peerId: string, lastedMs: number): void {
    const { core, clock, random, now } = this.#context;
    const entry = core.get(peerId);
    if (!this.#isUp || entry === undefined || entry.persistentAt === null || entry.connection !== null)
      return;
    const redial = this.#redials.get(peerId) ?? { tries: 0, timer: undefined, end: new AbortController() };
    this.#redials.set(peerId, redial);
    if (redial.timer !== undefined) return;
    redial.tries = lastedMs >= LASTING_MS ? 1 : redial.tries + 1;
    const { nowMs } = now();
    const shunnedMs = Math.max(0, entry.shunnedUntilMs - nowMs);
    const pauseMs = backoff(redial.tries, REDIAL_MS, REDIAL_MS_MAX) * (0.5 + random.next() / 2);
    redial.timer = clock.at(nowMs + Math.max(pauseMs, shunnedMs), () => {
      redial.timer = undefined;
      void this.#redial(peerId, redial.end.signal);
    });
  }

  connected(peerId: string): void {
    const redial = this.#redials.get(peerId);
    redial?.timer?.cancel();
    if (redial !== undefined) redial.timer = undefined;
  }

  /** Lets a peer go that is the worst, and does not have it back for a while. */
  shun(peerId: string, why: string): void {
    const { network, log, count } = this.#context;
    count("shunned");
    log.warn("a peer is disconnected and left alone", { peerId, why });
    // What it has under way here ends with its connection; if that has gone already, so has the reason.
    void network.call.hangUp({ peerId, graceMs: 0 }).catch(() => undefined);
  }

  async #redial(peerId: string, end: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([this.#context.signal, end]);
    if (await this.tryOnce(peerId, LIMITS.network.dialMs, signal)) return;
    if (!signal.aborted) this.lost(peerId, 0);
  }

  async #persist(peerId: string, address: string): Promise<void> {
    const { core, now } = this.#context;
    const kept = [...core.entries()].filter(({ persistentAt }) => persistentAt !== null);
    if (kept.length >= LIMITS.peers.connections && core.get(peerId)?.persistentAt === null) {
      const limit = LIMITS.peers.connections;
      throw fault("PEER_LIMITED", { peerId, what: "the number of persistent peers", limit, unit: "peers" });
    }
    const addresses = [...new Set([address, ...(core.get(peerId)?.persistentAt ?? [])])];
    const bounded = addresses.slice(0, LIMITS.network.addresses);
    core.persist(peerId, bounded, now());
    await this.#file.persist(peerId, bounded);
  }

  /**
   * One attempt. That nobody is there is an answer; that the network is restarting as well, after it is back.
   *
   * @throws ADDRESS_NOT_ALLOWED, INVALID_ARGUMENT, UNAVAILABLE, CANCELLED: another attempt would end the same
   */
  async #attempt(
    peerId: string,
    addresses: readonly string[],
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<{ ok: true; info: ConnectionInfo } | { ok: false; why: string; error: unknown }> {
    const { network, core } = this.#context;
    const figures = core.get(peerId)?.figures;
    try {
      const info = await network.call.dial({ peerId, addresses: [...addresses] }, { signal, timeoutMs });
      figures?.ended("dial", true);
      return { ok: true, info };
    } catch (error) {
      signal.throwIfAborted();
      if (!isFault(error) || isCancellation(error)) throw error;
      if (isFault(error, "ACTOR_RESTARTING")) {
        await network.ready({ signal });
        return { ok: false, why: sentenceOf(error), error };
      }
      if (!isFault(error, "PEER_UNREACHABLE") && !isFault(error, "DEADLINE_EXCEEDED")) {
        if (!error.retryable) throw error;
        return { ok: false, why: sentenceOf(error), error };
      }
      figures?.ended("dial", false);
      const why = isFault(error, "PEER_UNREACHABLE")
        ? error.details.why
        : `nobody answered in ${timeoutMs} ms`;
      return { ok: false, why, error };
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#context;
    await withScope({ signal, clock }, (scope) => scope.sleep(ms * (0.5 + random.next() / 2)));
  }

  #cancel(peerId: string): void {
    const redial = this.#redials.get(peerId);
    redial?.timer?.cancel();
    redial?.end.abort();
    this.#redials.delete(peerId);
  }
}

/** @param attempt that has failed, from 1 */
const backoff = (attempt: number, firstMs: number, maxMs: number): number =>
  Math.min(firstMs * 2 ** (attempt - 1), maxMs);

/** The name of a connection to a peer at an address: the same whenever it is made. */
export const connectionIdOf = (peerId: string, address: string): string =>
  createHash("sha256")
    .update(peerId + address)
    .digest("hex")
    .slice(0, 16);
