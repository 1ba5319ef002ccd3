import { checkMailbox, createLink, type Link } from "../actor/index.ts";
import {
  LIMITS,
  fault,
  isFault,
  sentenceOf,
  toWireError,
  wireFault,
  type Fault,
  type WireError,
} from "../errors/index.ts";
import type { Clock } from "../scope/index.ts";
import { METRICS, type Log, type MetricsBlock } from "../telemetry/index.ts";
import type { Child, ChildHealth, ChildSpec, OnEnd } from "./child.ts";
import { SupervisorCore, type Effect, type Intensity, type Strategy } from "./supervisor.core.ts";

/** What a supervisor tells the program that it works for: the other end of every link that begins there. */
export interface HostSide {
  connect(link: Link): void;
  disconnect(linkId: number, reason: WireError): void;
  dismiss(callee: string, reason: WireError): void;
  gaveUp(reason: WireError): void;
}

/** What the program may ask of its supervisor, which lives on a thread of its own or beside it. */
export interface SupervisorApi {
  /** Resolves when the actor's setup has finished and its link is up. */
  spawn(spec: ChildSpec): Promise<void>;
  stopChild(name: string): Promise<void>;
  /** Ends an actor's life as a crash would, for drills: it is restarted like any other. */
  kill(name: string): Promise<void>;
  health(): Promise<ChildHealth[]>;
  /** Stops every actor, last one first. Resolves when no thread is left. */
  stop(): Promise<void>;
}

export const SUPERVISOR_METHODS = ["spawn", "stopChild", "kill", "health", "stop"] as const;

/** The name under which the program itself is a caller. */
const HOST = "host";

export interface SupervisorOptions {
  readonly strategy: Strategy;
  readonly intensity: Intensity;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: MetricsBlock;
  readonly host: HostSide;
  readonly hostBell: SharedArrayBuffer | null;
  /** Makes one life of a child; a thread begins to load at once. */
  readonly makeChild: (spec: ChildSpec, onEnd: OnEnd) => Child;
}

/**
 * Starts actors, links them with those who call them, and restarts them by its strategy. Decisions are the core's;
 * this carries them out.
 */
export class Supervisor implements SupervisorApi {
  readonly #options: SupervisorOptions;
  readonly #core: SupervisorCore;
  readonly #specs = new Map<string, ChildSpec>();
  readonly #lives = new Map<string, Child>();
  readonly #running = new Set<string>();
  readonly #links = new Map<number, Link>();
  readonly #starts = new Map<string, PromiseWithResolvers<void>>();
  readonly #stops = new Map<string, PromiseWithResolvers<void>>();
  /** Being stopped; not counted among the living, but they still call others. */
  readonly #leaving = new Map<string, Child>();
  /** The ends of lives that were never started. */
  readonly #endings = new Set<Promise<void>>();
  readonly #finished = Promise.withResolvers<void>();
  #linkId = 0;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#core = new SupervisorCore(options.strategy, options.intensity);
  }

  /** @throws INVALID_ARGUMENT, ALREADY_EXISTS, ACTOR_STOPPED, and why it could not be started */
  spawn(spec: ChildSpec): Promise<void> {
    if (this.#specs.size >= LIMITS.supervisor.children) {
      const allowed = `at most ${LIMITS.supervisor.children}`;
      return Promise.reject(
        fault("INVALID_ARGUMENT", { argument: "actors", got: `one more than that`, allowed }),
      );
    }
    const started = Promise.withResolvers<void>();
    try {
      checkSpec(spec);
      const effects = this.#core.add(spec.name, spec.restart);
      this.#specs.set(spec.name, spec);
      this.#starts.set(spec.name, started);
      // Children are set up one after the other, but their threads load side by side.
      if (!effects.some((effect) => effect.do === "launch")) this.#prepare(spec);
      this.#carryOut(effects);
    } catch (error) {
      started.reject(error);
    }
    return started.promise;
  }

  async stopChild(name: string): Promise<void> {
    this.#known(name);
    const underWay = this.#stops.get(name);
    if (underWay) return underWay.promise;
    const stopped = Promise.withResolvers<void>();
    this.#stops.set(name, stopped);
    this.#carryOut(this.#core.stopChild(name));
    await stopped.promise;
  }

  async kill(name: string): Promise<void> {
    this.#known(name);
    await this.#life(name)?.kill();
  }

  async health(): Promise<ChildHealth[]> {
    return Promise.all(
      this.#core.children.map(async ({ name, state, epoch }) => {
        const life = state === "running" ? this.#lives.get(name) : undefined;
        const report = (await life?.health().catch(() => null)) ?? null;
        return { name, state, epoch, report };
      }),
    );
  }

  async stop(): Promise<void> {
    this.#carryOut(this.#core.stop());
    await this.#finished.promise;
    await Promise.all(this.#endings);
  }

  #carryOut(effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.do) {
        case "launch":
          void this.#launch(this.#spec(effect.name), effect.epoch);
          break;
        case "halt":
          void this.#halt(effect.name);
          break;
        case "announce":
          this.#announce(this.#spec(effect.name));
          break;
        case "dismiss":
          this.#dismiss(effect.name, effect.reason);
          break;
        case "give_up":
          this.#options.log.error("giving up", { error: toWireError(effect.reason) });
          this.#options.host.gaveUp(toWireError(effect.reason));
          break;
        case "finished":
          this.#finished.resolve();
          break;
      }
    }
  }

  #prepare(spec: ChildSpec): Child {
    const life: Child = this.#options.makeChild(spec, (reason) => this.#died(spec.name, life, reason));
    this.#lives.set(spec.name, life);
    return life;
  }

  async #launch(spec: ChildSpec, epoch: number): Promise<void> {
    if (epoch > 1) this.#options.metrics.count(METRICS.restarts);
    const life = this.#lives.get(spec.name) ?? this.#prepare(spec);
    // What it calls must be there when its setup runs.
    for (const callee of spec.calls) if (this.#running.has(callee)) this.#link(spec.name, this.#spec(callee));
    try {
      await life.start(spec, epoch);
    } catch (error) {
      await this.#startFailed(spec.name, life, error);
      return;
    }
    // Setup may have finished in a life that has ended meanwhile.
    if (this.#lives.get(spec.name) === life) this.#carryOut(this.#core.ready(spec.name));
  }

  async #startFailed(name: string, life: Child, error: unknown): Promise<void> {
    await life.stop();
    // Its death was reported on the way, or whoever stopped it has waited for its end as well.
    if (this.#lives.get(name) !== life) return;
    this.#lives.delete(name);
    this.#unlink(name);
    const reason = isFault(error)
      ? error
      : fault("ACTOR_START_FAILED", { actor: name, why: sentenceOf(error) });
    this.#carryOut(this.#core.startFailed(name, reason, this.#options.clock.now()));
  }

  async #halt(name: string): Promise<void> {
    const life = this.#lives.get(name);
    this.#lives.delete(name);
    this.#unlink(name, "callee");
    if (life) {
      this.#leaving.set(name, life);
      await life.stop();
      this.#leaving.delete(name);
    }
    // Only now: what it calls was started before it and stops after it, so that its cleanups can still call.
    this.#unlink(name);
    this.#carryOut(this.#core.halted(name));
  }

  /** @param error undefined when it ended itself and well */
  #died(name: string, life: Child, error: unknown): void {
    if (this.#lives.get(name) !== life) return;
    this.#lives.delete(name);
    this.#unlink(name);
    const nowMs = this.#options.clock.now();
    const why = error === undefined ? "it ended itself" : sentenceOf(error);
    if (this.#starts.has(name)) {
      // While somebody waits for its first start, it has never been up.
      const reason = fault("ACTOR_START_FAILED", { actor: name, why }, { cause: error });
      this.#carryOut(this.#core.startFailed(name, reason, nowMs));
    } else if (error === undefined) {
      this.#carryOut(this.#core.exited(name, nowMs));
    } else {
      this.#options.log.warn("an actor died", { actor: name, error: toWireError(error) });
      const reason = fault("UNAVAILABLE", { what: name, why }, { cause: error });
      this.#carryOut(this.#core.crashed(name, reason, nowMs));
    }
  }

  #announce(spec: ChildSpec): void {
    this.#running.add(spec.name);
    this.#link(HOST, spec);
    for (const other of this.#specs.values()) {
      if (other.calls.includes(spec.name) && this.#lives.has(other.name)) this.#link(other.name, spec);
    }
    this.#starts.get(spec.name)?.resolve();
    this.#starts.delete(spec.name);
  }

  #dismiss(name: string, reason: Fault): void {
    this.#unlink(name);
    const wire = toWireError(reason);
    this.#options.host.dismiss(name, wire);
    for (const other of this.#specs.values()) {
      if (other.calls.includes(name)) void this.#life(other.name)?.dismiss(name, wire);
    }
    this.#specs.delete(name);
    this.#starts.get(name)?.reject(reason);
    this.#starts.delete(name);
    const stopped = this.#stops.get(name);
    this.#stops.delete(name);
    void this.#discard(name).then(() => stopped?.resolve());
  }

  /** A life that was made ahead of its start, which will not come. Its thread has ended when `stop` resolves. */
  async #discard(name: string): Promise<void> {
    const life = this.#lives.get(name);
    if (!life) return;
    this.#lives.delete(name);
    const ending = life.stop();
    this.#endings.add(ending);
    await ending;
    this.#endings.delete(ending);
  }

  /** A fresh link between two lives. The callee is told first, but need not have heard it: frames wait in the ring. */
  #link(caller: string, callee: ChildSpec): void {
    for (const link of this.#links.values())
      if (link.caller === caller && link.callee === callee.name) return;
    const calleeLife = this.#lives.get(callee.name);
    const callerLife = this.#lives.get(caller);
    const bells = {
      caller: caller === HOST ? this.#options.hostBell : (callerLife?.bell ?? null),
      callee: calleeLife?.bell ?? null,
    };
    const link = createLink(
      { id: ++this.#linkId, caller, callee: callee.name },
      callee.handshake,
      bells,
      callee.mailbox,
      callee.shared,
    );
    this.#links.set(link.id, link);
    void calleeLife?.accept(link);
    if (caller === HOST) this.#options.host.connect(link);
    else void callerLife?.connect(link);
  }

  /** A life has ended, and with it every link that it was a side of, or was `side` of. */
  #unlink(name: string, side?: "callee"): void {
    this.#running.delete(name);
    for (const link of this.#links.values()) {
      if (link.callee !== name && (link.caller !== name || side === "callee")) continue;
      this.#links.delete(link.id);
      const reason = wireFault("ACTOR_RESTARTING", { actor: name });
      const other = link.caller === name ? link.callee : link.caller;
      if (other === HOST) this.#options.host.disconnect(link.id, reason);
      else void this.#life(other)?.disconnect(link.id, reason);
    }
  }

  #life(name: string): Child | undefined {
    return this.#lives.get(name) ?? this.#leaving.get(name);
  }

  #spec(name: string): ChildSpec {
    const spec = this.#specs.get(name);
    if (!spec) throw fault("UNKNOWN_NAME", { kind: "actor", name, known: [...this.#specs.keys()] });
    return spec;
  }

  #known(name: string): void {
    this.#spec(name);
  }
}

/** What would otherwise be found out halfway through a start. @throws INVALID_ARGUMENT */
function checkSpec({ name, startTimeoutMs, shutdownMs, mailbox }: ChildSpec): void {
  if (name === HOST || name === "") {
    const allowed = `a name, and not "${HOST}", which is the program itself`;
    throw fault("INVALID_ARGUMENT", { argument: "name", got: `"${name}"`, allowed });
  }
  for (const [argument, ms] of Object.entries({ startTimeoutMs, shutdownMs })) {
    if (!(ms >= 0))
      throw fault("INVALID_ARGUMENT", { argument, got: String(ms), allowed: "0 or more milliseconds" });
  }
  checkMailbox(mailbox);
}
