import { assert, fault, sentenceOf, toWireError, type Fault } from "../errors/index.ts";
import { SharedBell, type Bell, type Poller } from "../ring/index.ts";
import type { Clock, Random, Scheduler } from "../scope/index.ts";
import type { Log, MetricsBlock } from "../telemetry/index.ts";
import type { ActorContext, Behaviour } from "./behaviour.ts";
import { Connection, createRef } from "./connection.ts";
import { LinkClient } from "./link-client.ts";
import { LinkServer, type Callee } from "./link-server.ts";
import { checkHandshake, type Link } from "./link.ts";
import type { EmittersOf, Members, MessageContext, Protocol, Ref } from "./protocol.ts";

/** What the place gives to the actor that lives there. */
export interface ActorServices {
  readonly poller: Poller;
  readonly clock: Clock;
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: MetricsBlock;
}

/** The bell of the other side of a link; a link between inline actors carries none of its own. */
export type BellOf = (shared: SharedArrayBuffer | null, owner: string) => Bell;

export const threadBells: BellOf = (shared, owner) => {
  assert(shared, `${owner} lives on a thread and has a bell`);
  return new SharedBell(shared);
};

/**
 * One life of one actor, on a thread or inline: runs its setup, holds its links, and ends it.
 *
 * A life ends in one of two ways. `stop` is orderly: no new messages, deferred cleanups in reverse order. `kill` is
 * what death looks like from inside when the actor is inline and cannot be terminated: from then on nothing that its
 * promises still do reaches anybody.
 */
export class ActorRuntime<M extends Members = Members> {
  readonly #name: string;
  readonly #epoch: number;
  readonly #behaviour: Behaviour<M>;
  readonly #services: ActorServices;
  readonly #bellOf: BellOf;
  /** Names of the actors that it may call. */
  readonly #calls: readonly string[];
  readonly #shared: SharedArrayBuffer | null;
  readonly #crash: (defect: unknown) => void;
  /** Asked to stop: what the actor sees as `context.signal`. */
  readonly #stopping = new AbortController();
  /** Over: from here on nothing of it reaches anybody. Cleanups run before. */
  readonly #ended = new AbortController();
  readonly #connections = new Map<string, Connection>();
  readonly #servers = new Map<number, LinkServer>();
  readonly #clients = new Map<number, LinkClient>();
  readonly #cleanups: (() => void | Promise<void>)[] = [];
  readonly #releases: (() => void)[] = [];
  /** Callers that came up before setup had finished. */
  readonly #early: Link[] = [];
  #handlers: Callee["handlers"] = [];
  #started = false;
  /** Settles when setup has ended, well or not. */
  #setUp: Promise<unknown> = Promise.resolve();
  #stopped: Promise<void> | undefined;
  #report: () => Record<string, unknown> = () => ({});

  constructor(options: {
    name: string;
    epoch: number;
    behaviour: Behaviour<M>;
    services: ActorServices;
    bellOf: BellOf;
    calls: readonly string[];
    shared: SharedArrayBuffer | null;
    /** Told once, when the actor has died of a defect: `kill` has been done. */
    crash: (defect: unknown) => void;
  }) {
    this.#name = options.name;
    this.#epoch = options.epoch;
    this.#behaviour = options.behaviour;
    this.#services = options.services;
    this.#bellOf = options.bellOf;
    this.#calls = options.calls;
    this.#shared = options.shared;
    this.#crash = (defect) => {
      if (this.#ended.signal.aborted) return;
      // At once, on a thread too: messages that came with the fatal one must not meet a state that is in doubt.
      this.kill();
      options.crash(defect);
    };
  }

  /**
   * Runs the behaviour's setup. Messages are handled from then on.
   *
   * @throws ACTOR_START_FAILED when setup throws; its cause is what was thrown
   * @throws ACTOR_STOPPED when the life ended before setup did
   */
  async start(init: unknown): Promise<void> {
    const { setup, protocol } = this.#behaviour;
    try {
      // The supervisor was given this init by a typed spawn; here only its being passed on is left to do.
      const made = Promise.try(setup, this.#context(), init as never);
      this.#setUp = made.catch(() => undefined);
      const handlers = await made;
      this.#handlers = inWireOrder(protocol, handlers as Readonly<Record<string, Handler>>);
    } catch (error) {
      throw fault("ACTOR_START_FAILED", { actor: this.#name, why: sentenceOf(error) }, { cause: error });
    }
    // Its handlers would still be called by whoever it is accepted for now.
    if (this.#stopping.signal.aborted) throw fault("ACTOR_STOPPED", { actor: this.#name });
    this.#started = true;
    for (const link of this.#early.splice(0)) this.accept(link);
  }

  /** A caller of this actor has come up. Its messages wait in the ring until setup has finished. */
  accept(link: Link): void {
    checkHandshake(this.#name, link.handshake, this.#behaviour.protocol);
    if (this.#stopping.signal.aborted) return;
    if (!this.#started) {
      this.#early.push(link);
      return;
    }
    const { poller, clock, metrics } = this.#services;
    const callee: Callee = {
      poller,
      clock,
      metrics,
      handlers: this.#handlers,
      memberNames: this.#behaviour.protocol.order,
      crash: this.#crash,
    };
    this.#servers.set(link.id, new LinkServer(link, callee, this.#bellOf(link.callerBell, link.caller)));
  }

  /** An actor that this one calls has come up. */
  connect(link: Link): void {
    if (this.#ended.signal.aborted) return;
    const { poller, clock, metrics } = this.#services;
    const client = new LinkClient(
      link,
      { poller, clock, metrics },
      this.#bellOf(link.calleeBell, link.callee),
    );
    this.#clients.set(link.id, client);
    const known = this.#connections.get(link.callee);
    // The name has been given to another actor: refs of the one that ended stay dead.
    if (known?.ended) this.#connections.delete(link.callee);
    this.#connection(link.callee).up(client);
  }

  /** The other side of a link is gone. */
  disconnect(linkId: number, reason: Fault): void {
    const early = this.#early.findIndex((link) => link.id === linkId);
    if (early >= 0) this.#early.splice(early, 1);
    this.#servers.get(linkId)?.close(reason.message);
    this.#servers.delete(linkId);
    const client = this.#clients.get(linkId);
    if (!client) return;
    this.#clients.delete(linkId);
    client.lose(reason);
    for (const connection of this.#connections.values()) if (connection.uses(client)) connection.down(reason);
  }

  /** An actor that this one calls will never come back, though its name may. */
  dismiss(callee: string, reason: Fault): void {
    this.#connection(callee).down(reason, true);
  }

  health(): Record<string, unknown> {
    return { epoch: this.#epoch, ...this.#report() };
  }

  /**
   * Orderly: no new messages; when setup has ended, deferred cleanups run in reverse order, each one even when another
   * fails. They may still call other actors. Whoever asks a second time waits for the same end.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    const stopped = fault("ACTOR_STOPPED", { actor: this.#name });
    this.#stopping.abort(stopped);
    for (const server of this.#servers.values()) server.close("the actor stops");
    await this.#setUp;
    for (let cleanup = this.#cleanups.pop(); cleanup; cleanup = this.#cleanups.pop()) {
      // Killed meanwhile.
      if (this.#ended.signal.aborted) return;
      try {
        await cleanup();
      } catch (error) {
        this.#services.log.error("a cleanup failed", { error: toWireError(error) });
      }
    }
    this.#end(stopped);
  }

  /** Death: nothing runs any more but the releases, and what its promises still do reaches nobody. */
  kill(): void {
    const dead = fault("ACTOR_RESTARTING", { actor: this.#name });
    this.#end(dead);
    this.#stopping.abort(dead);
  }

  #end(reason: Fault): void {
    if (this.#ended.signal.aborted) return;
    // First of all: the listeners of the signals that abort now belong to the actor, too.
    this.#ended.abort(reason);
    for (const client of this.#clients.values()) client.close(reason);
    for (const connection of this.#connections.values()) connection.down(reason, true);
    for (const server of this.#servers.values()) server.close("the actor ended");
    this.#clients.clear();
    this.#servers.clear();
    this.#services.poller.close();
    for (let release = this.#releases.pop(); release; release = this.#releases.pop()) this.#release(release);
  }

  #release(release: () => void): void {
    try {
      release();
    } catch (error) {
      this.#services.log.error("a release failed", { error: toWireError(error) });
    }
  }

  #connection(callee: string): Connection {
    let connection = this.#connections.get(callee);
    if (!connection) {
      connection = new Connection(callee);
      this.#connections.set(callee, connection);
    }
    return connection;
  }

  #context(): ActorContext<M> {
    const { random, scheduler, log, metrics, clock } = this.#services;
    const life = this.#ended.signal;
    return {
      name: this.#name,
      epoch: this.#epoch,
      signal: this.#stopping.signal,
      clock: fencedClock(clock, life),
      random,
      scheduler: { schedule: (run) => scheduler.schedule(() => void (life.aborted || run())) },
      log,
      metrics,
      shared: this.#shared,
      emit: this.#emitters(),
      ref: <N extends Members>(protocol: Protocol<N>, name = protocol.name): Ref<N> => {
        // Nobody would ever connect it, and its calls would be told for ever that the actor is on its way.
        if (!this.#calls.includes(name))
          throw fault("UNKNOWN_NAME", { kind: "actor", name, known: this.#calls });
        return createRef(protocol, this.#connection(name));
      },
      defer: (cleanup) => void this.#cleanups.push(cleanup),
      atExit: (release) => {
        // A setup that was overtaken by its actor's death still opens what it was about to open.
        if (life.aborted) this.#release(release);
        else this.#releases.push(release);
      },
      reportHealth: (report) => {
        this.#report = report;
      },
    };
  }

  #emitters(): EmittersOf<M> {
    const emit: Record<string, (payload: unknown) => void> = {};
    for (const [index, name] of this.#behaviour.protocol.order.entries()) {
      if (this.#behaviour.protocol.members[name]?.kind !== "event") continue;
      emit[name] = (payload) => {
        if (this.#ended.signal.aborted) return;
        for (const server of this.#servers.values()) server.emit(index, payload);
      };
    }
    return emit as EmittersOf<M>;
  }
}

type Handler = (params: unknown, context: MessageContext) => unknown;

/**
 * By member number. The compiler has seen to it that none is missing; what it does not look for is one too many, such
 * as one whose member was given another name.
 */
function inWireOrder(
  protocol: Protocol,
  handlers: Readonly<Record<string, Handler>>,
): (Handler | undefined)[] {
  const takesMessages = (name: string): boolean =>
    ["call", "cast"].includes(protocol.members[name]?.kind ?? "");
  const own = (name: string): Handler | undefined =>
    Object.hasOwn(handlers, name) ? handlers[name] : undefined;
  const missing = protocol.order.filter((name) => takesMessages(name) && typeof own(name) !== "function");
  const tooMany = Object.keys(handlers).filter((name) => !takesMessages(name));
  assert(missing.length === 0, `the behaviour of ${protocol.name} has no handler for ${missing.join(", ")}`);
  assert(tooMany.length === 0, `the protocol ${protocol.name} has no call or cast ${tooMany.join(", ")}`);
  return protocol.order.map(own);
}

/** A clock whose timers die with the actor. */
function fencedClock(clock: Clock, life: AbortSignal): Clock {
  return {
    now: () => clock.now(),
    wallNow: () => clock.wallNow(),
    at: (atMs, run) => clock.at(atMs, () => void (life.aborted || run())),
  };
}
