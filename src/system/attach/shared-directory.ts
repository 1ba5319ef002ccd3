import { Connection, createRef } from "../../actor/index.ts";
import { LIMITS, fault, isFault, toWireError, type Fault } from "../../errors/index.ts";
import { systemClock, type Clock } from "../../scope/index.ts";
import type { LockFile } from "../../store/index.ts";
import { threadLog, type ChildHealth, type SupervisorHandle } from "../../supervisor/index.ts";
import {
  attachMetrics,
  createMetricsBlock,
  readMetrics,
  type MetricsSnapshot,
} from "../../telemetry/index.ts";
import { ACTORS, PROTOCOLS, type ActorName, type Actors } from "../actors.ts";
import type { Foundation, Role } from "../foundation.ts";
import type { ResolvedOptions } from "../options.ts";
import { openOwnActors } from "../own-actors.ts";
import { helloOf, type Hello } from "./greeting.ts";
import { knock, type GuestLink } from "./guest-link.ts";
import { openOwnerDoor, type OwnerDoor } from "./owner-door.ts";
import { socketOf } from "./socket-place.ts";
import { takeTurn } from "./turn.ts";

interface Owning {
  readonly role: "owner";
  readonly supervisor: SupervisorHandle;
  /** Null: it lets nobody attach. */
  readonly door: OwnerDoor | null;
  readonly turn: LockFile;
}

interface Visiting {
  readonly role: "guest";
  readonly link: GuestLink;
}

/** Between two looks whether somebody else has opened the directory, or left it. */
const LOOK_MS = 25;
/** Before the stores are tried again that somebody owned; doubled each time, because a try starts eight actors. */
const TRY_MS = 50;
const TRY_MS_MAX = 1_600;

/**
 * A data directory that several processes have open: one owns it, the others are its guests. Connections, and so refs,
 * outlive every change of that: a change is to them what the restart of an actor is.
 */
export class SharedDirectory implements Foundation {
  readonly actors: Actors;
  readonly failed: Promise<never>;
  readonly #options: ResolvedOptions;
  readonly #data: string;
  readonly #hello: Hello;
  readonly #clock: Clock;
  /** In the order of `ACTORS`. */
  readonly #connections: readonly Connection[];
  /** Figures of this process while it is a guest. */
  readonly #block = createMetricsBlock().buffer;
  readonly #failure = Promise.withResolvers<never>();
  readonly #closing = new AbortController();
  #seat: Owning | Visiting | undefined;
  /** Looking for a seat; settled when it has one, or cannot have one. */
  #search: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  private constructor(options: ResolvedOptions, data: string) {
    this.#options = options;
    this.#data = data;
    this.#hello = helloOf(data, options.modules);
    this.#clock = options.supervision.simulation?.clock ?? systemClock;
    const entries = ACTORS.map((name) => [name, new Connection(name)] as const);
    this.#connections = entries.map(([, connection]) => connection);
    const byName = Object.fromEntries(entries) as Record<ActorName, Connection>;
    this.actors = {
      cache: createRef(PROTOCOLS.cache, byName.cache),
      queue: createRef(PROTOCOLS.queue, byName.queue),
      scheduler: createRef(PROTOCOLS.scheduler, byName.scheduler),
      network: createRef(PROTOCOLS.network, byName.network),
      peers: createRef(PROTOCOLS["peer-registry"], byName["peer-registry"]),
      bootstrap: createRef(PROTOCOLS.bootstrap, byName.bootstrap),
      remote: createRef(PROTOCOLS.remote, byName.remote),
      router: createRef(PROTOCOLS.router, byName.router),
    };
    this.failed = this.#failure.promise;
    this.failed.catch(() => undefined); // whoever cares awaits it
  }

  /**
   * Attaches to the directory's owner, or becomes it.
   *
   * @throws STORE_OWNED by a process that lets nobody attach, or that opens or closes the directory for too long;
   *   PROTOCOL_MISMATCH, MODULE_INVALID, UNAVAILABLE: why the owner refuses; what opening it alone throws
   */
  static async open(options: ResolvedOptions, data: string): Promise<SharedDirectory> {
    const shared = new SharedDirectory(options, data);
    await shared.#findSeat(LIMITS.attach.ownedMs);
    return shared;
  }

  get role(): Role {
    return this.#seat?.role ?? "none";
  }

  get graceMs(): number {
    return this.#seat?.role === "guest" ? this.#seat.link.graceMs : this.#options.graceMs;
  }

  spawn: SupervisorHandle["spawn"] = async (protocol, options) =>
    this.#supervisor("start an actor").spawn(protocol, options);

  async stopChild(name: string): Promise<void> {
    await this.#supervisor("stop an actor").stopChild(name);
  }

  async kill(name: string): Promise<void> {
    await this.#supervisor("kill an actor").kill(name);
  }

  async health(): Promise<ChildHealth[]> {
    if (this.#seat?.role === "guest") return this.#seat.link.health();
    return this.#supervisor("tell the health of actors").health();
  }

  metrics(): MetricsSnapshot {
    return this.#seat?.role === "owner" ? this.#seat.supervisor.metrics() : readMetrics([this.#block]);
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    const stopped = fault("ACTOR_STOPPED", { actor: "the system" });
    this.#closing.abort(stopped);
    await this.#search.catch(() => undefined);
    const seat = this.#seat;
    if (seat?.role === "guest") seat.link.close(stopped);
    if (seat?.role === "owner") await leave(seat);
    for (const connection of this.#connections) connection.down(stopped, true);
  }

  /** @throws UNAVAILABLE in a guest, ACTOR_RESTARTING while nobody owns the directory */
  #supervisor(what: string): SupervisorHandle {
    const seat = this.#seat;
    if (seat === undefined) throw fault("ACTOR_RESTARTING", { actor: "the system" });
    if (seat.role === "owner") return seat.supervisor;
    const why = `process ${seat.link.pid} owns ${this.#data}, and only there it can be done`;
    throw fault("UNAVAILABLE", { what: `the wish to ${what}`, why });
  }

  /**
   * @param ownedMs how long to try when the stores are owned and nobody says who is at it
   * @throws as `open`; ACTOR_STOPPED when it is closed meanwhile
   */
  async #findSeat(ownedMs: number): Promise<void> {
    // Nothing else does while there is no owner, and the clock's timers do not either.
    const keptAlive = setInterval(() => undefined, LIMITS.attach.waitMs);
    try {
      await this.#seek(ownedMs);
    } finally {
      clearInterval(keptAlive);
    }
  }

  async #seek(ownedMs: number): Promise<void> {
    const startMs = this.#clock.now();
    let ownedSinceMs: number | undefined;
    for (let tryMs = TRY_MS; ;) {
      this.#closing.signal.throwIfAborted();
      if (await this.#attach()) return;
      const turn = takeTurn(this.#data);
      if (turn === undefined) {
        if (this.#clock.now() - startMs > LIMITS.attach.waitMs) throw this.#neverLetIn();
        await this.#pause(LOOK_MS);
        continue;
      }
      try {
        await this.#own(turn);
        return;
      } catch (error) {
        turn[Symbol.dispose]();
        ownedSinceMs ??= this.#clock.now();
        const waitedMs = this.#clock.now() - ownedSinceMs;
        if (!isFault(error, "STORE_OWNED") || waitedMs > ownedMs) throw error;
      }
      await this.#pause(tryMs);
      tryMs = Math.min(tryMs * 2, TRY_MS_MAX);
    }
  }

  /** False: nobody answers. @throws why the owner refuses */
  async #attach(): Promise<boolean> {
    const path = socketOf(this.#data);
    if (path === undefined) return false;
    const place = { clock: this.#clock, metrics: attachMetrics(this.#block) };
    let isLost = false;
    const link = await knock(path, this.#hello, {
      place,
      onLost: () => {
        isLost = true;
        this.#lost();
      },
    });
    if (link === undefined || isLost) return false;
    this.#seat = { role: "guest", link };
    for (const connection of this.#connections) {
      const end = Object.values(link.ends).find(({ callee }) => callee === connection.callee);
      if (end !== undefined) connection.up(end);
    }
    return true;
  }

  /** @throws what `openOwnActors` throws; then the turn is still held */
  async #own(turn: LockFile): Promise<void> {
    const { supervisor } = await openOwnActors(this.#options);
    for (const connection of this.#connections) supervisor.adopt(connection);
    // Whoever only looks at the directory is gone in a moment, and carries nothing out: it is not worth visiting.
    const door = this.#options.idle ? null : await this.#openDoor(supervisor);
    this.#seat = { role: "owner", supervisor, door, turn };
    supervisor.failed.catch((reason: unknown) => {
      // Its actors answer nobody any more, so its guests have to find another owner.
      void door?.close();
      this.#failure.reject(reason);
    });
  }

  /** One that cannot be opened keeps nobody from working alone. */
  async #openDoor(supervisor: SupervisorHandle): Promise<OwnerDoor | null> {
    try {
      return await openOwnerDoor({
        data: this.#data,
        self: this.#hello,
        graceMs: this.#options.graceMs,
        connections: this.#connections,
        health: () => supervisor.health(),
        clock: this.#clock,
        metrics: supervisor.hostMetrics,
      });
    } catch (error) {
      threadLog("system").warn("no other process can attach", { error: toWireError(error) });
      return null;
    }
  }

  /** The owner is gone: to those who hold refs that is a restart. */
  #lost(): void {
    if (this.#seat?.role !== "guest" || this.#closing.signal.aborted) return;
    this.#seat = undefined;
    for (const connection of this.#connections) {
      connection.down(fault("ACTOR_RESTARTING", { actor: connection.callee }));
    }
    // A command that works on the files as a whole may come in between: it is waited for.
    this.#search = this.#findSeat(LIMITS.attach.waitMs).catch((error: unknown) => {
      if (this.#closing.signal.aborted) return;
      const reason = isFault(error)
        ? error
        : fault("ACTOR_STOPPED", { actor: "the system" }, { cause: error });
      for (const connection of this.#connections) connection.down(reason, true);
      this.#failure.reject(reason);
    });
  }

  #neverLetIn(): Fault {
    const wayOut = "it opens or closes the directory for too long; try again, or end it";
    return fault("STORE_OWNED", { path: this.#data, wayOut });
  }

  /** Also over when it is closed. */
  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const over = (): void => resolve();
    const timer = this.#clock.at(this.#clock.now() + ms, over);
    const { signal } = this.#closing;
    signal.addEventListener("abort", over, { once: true });
    return promise.finally(() => {
      timer.cancel();
      signal.removeEventListener("abort", over);
    });
  }
}

async function leave({ door, supervisor, turn }: Owning): Promise<void> {
  // First of all: to guests this is a restart, and none of them is to hear of actors that are stopped.
  await door?.close();
  try {
    await supervisor.close();
  } finally {
    turn[Symbol.dispose]();
  }
}
