import { assert, fault, type Fault } from "../errors/index.ts";
import { advance, childTable, type StateOf } from "../lifecycle/index.ts";

/**
 * The supervisor's decisions, without threads, clock or I/O: what happened goes in, what is to be done comes out.
 *
 * Two rules order everything. Stopping goes from the last child to the first, one at a time, and starting from the
 * first to the last, one at a time; and nothing is started while something has still to be stopped. A crash marks the
 * children that its strategy affects, and the two rules do the rest.
 *
 * @see https://www.erlang.org/doc/apps/stdlib/supervisor.html (strategies, restart types, intensity)
 */

/**
 * Whom the crash of one child restarts: it alone (the default), every child, or it and those that were started after
 * it.
 */
export type Strategy = "one_for_one" | "one_for_all" | "rest_for_one";
/** permanent: always; transient: only after a crash; temporary: never. */
export type RestartType = "permanent" | "transient" | "temporary";
export type ChildState = StateOf<typeof childTable>;

/** How much crashing is borne. */
export interface Intensity {
  /** More restarts than this within the period, and the supervisor gives up; 0 = never restart. Default 5. */
  readonly restarts: number;
  /** Milliseconds; default 10,000. */
  readonly periodMs: number;
}

export type Effect =
  | { readonly do: "launch"; readonly name: string; readonly epoch: number }
  | { readonly do: "halt"; readonly name: string }
  /** The child is in its place and answers: those who wait for its start may go on. */
  | { readonly do: "announce"; readonly name: string }
  /** It will not be started again: those who wait for it learn why. */
  | { readonly do: "dismiss"; readonly name: string; readonly reason: Fault }
  | { readonly do: "give_up"; readonly reason: Fault }
  /** Everything has stopped after `stop` or after giving up. */
  | { readonly do: "finished" };

interface Child {
  readonly name: string;
  readonly restart: RestartType;
  state: ChildState;
  epoch: number;
  /** Has setup ever finished? */
  beenUp: boolean;
  /** Should it be up? */
  wanted: boolean;
  /** Must what runs be stopped, to be started anew or for good? */
  mustHalt: boolean;
}

export class SupervisorCore {
  readonly #strategy: Strategy;
  readonly #intensity: Intensity;
  readonly #children: Child[] = [];
  readonly #restartsAtMs: number[] = [];
  #ending: "no" | "stopping" | "finished" = "no";

  constructor(strategy: Strategy, intensity: Intensity) {
    this.#strategy = strategy;
    this.#intensity = intensity;
  }

  /** In start order. */
  get children(): readonly { readonly name: string; readonly state: ChildState; readonly epoch: number }[] {
    return this.#children;
  }

  /** @throws ALREADY_EXISTS, ACTOR_STOPPED (the supervisor is stopping) */
  add(name: string, restart: RestartType): Effect[] {
    if (this.#find(name)) throw fault("ALREADY_EXISTS", { kind: "actor", name });
    if (this.#ending !== "no") throw fault("ACTOR_STOPPED", { actor: "the supervisor" });
    this.#children.push({
      name,
      restart,
      state: "stopped",
      epoch: 0,
      beenUp: false,
      wanted: true,
      mustHalt: false,
    });
    return this.#next();
  }

  /** Setup has finished. */
  ready(name: string): Effect[] {
    const child = this.#known(name);
    if (child.state !== "starting") return []; // it was stopped meanwhile
    child.state = advance(childTable, child.state, "ready");
    child.beenUp = true;
    return [{ do: "announce", name }, ...this.#next()];
  }

  /** A child that has never been up could not be started: it is taken off the list, and the rest goes on. */
  startFailed(name: string, reason: Fault, nowMs: number): Effect[] {
    const child = this.#known(name);
    if (child.beenUp || child.mustHalt || child.state !== "starting")
      return this.crashed(name, reason, nowMs);
    child.state = advance(childTable, child.state, "crash");
    this.#remove(child);
    return [{ do: "dismiss", name, reason }, ...this.#next()];
  }

  /** It ended without being asked to, and not well. */
  crashed(name: string, reason: Fault, nowMs: number): Effect[] {
    const child = this.#find(name);
    if (!child || child.state === "stopped") return [];
    // It was to be stopped anyway: its death is the stop, not a crash of its own.
    if (child.mustHalt || child.state === "stopping") return this.halted(name);
    child.state = advance(childTable, child.state, "crash");
    if (this.#ending !== "no") return this.#next();
    if (child.restart === "temporary") return this.#leave(child, reason);
    if (this.#exceeds(nowMs)) return this.#giveUp(child, reason);
    for (const other of this.#affectedBy(child)) {
      if (!isUp(other)) continue;
      other.mustHalt = true;
      // Never restarted, not even when it is stopped for a sibling's sake.
      if (other.restart === "temporary") other.wanted = false;
    }
    return this.#next();
  }

  /** It ended by itself and well; only a permanent child is missed. */
  exited(name: string, nowMs: number): Effect[] {
    const child = this.#known(name);
    if (child.state !== "running" || child.mustHalt || child.restart === "permanent") {
      return this.crashed(name, fault("UNAVAILABLE", { what: name, why: "it ended itself" }), nowMs);
    }
    return this.#leave(child, fault("ACTOR_STOPPED", { actor: name }));
  }

  /** It ended because it was asked to, or before it could be. */
  halted(name: string): Effect[] {
    const child = this.#known(name);
    if (child.state === "starting") child.state = advance(childTable, child.state, "crash");
    child.state = advance(childTable, child.state, "exit");
    child.mustHalt = false;
    if (child.wanted && this.#ending === "no") return this.#next();
    return [...this.#dismissed(child), ...this.#next()];
  }

  /** Stops one child for good. */
  stopChild(name: string): Effect[] {
    const child = this.#known(name);
    child.wanted = false;
    if (isUp(child)) child.mustHalt = true;
    else if (child.state !== "stopping") return [...this.#dismissed(child), ...this.#next()];
    return this.#next();
  }

  /** Stops everything, last child first. */
  stop(): Effect[] {
    if (this.#ending !== "no") return [];
    return this.#end();
  }

  #end(): Effect[] {
    this.#ending = "stopping";
    for (const child of this.#children) {
      child.wanted = false;
      if (isUp(child)) child.mustHalt = true;
    }
    return this.#next();
  }

  /** What the two rules allow now. */
  #next(): Effect[] {
    const busy = this.#children.some(({ state }) => state === "stopping");
    if (busy) return [];
    const last = this.#children.findLast((child) => child.mustHalt);
    if (last) {
      last.state = advance(childTable, last.state, "stop");
      last.mustHalt = false;
      return [{ do: "halt", name: last.name }];
    }
    if (this.#ending === "stopping") return this.#finish();
    if (this.#children.some(({ state }) => state === "starting")) return [];
    const first = this.#children.find((child) => child.wanted && !isUp(child));
    if (!first) return [];
    first.state = advance(childTable, first.state, "start");
    first.epoch++;
    return [{ do: "launch", name: first.name, epoch: first.epoch }];
  }

  #finish(): Effect[] {
    this.#ending = "finished";
    const dismissals = [...this.#children].flatMap((child) => this.#dismissed(child));
    return [...dismissals, { do: "finished" }];
  }

  #affectedBy(crashed: Child): Child[] {
    const from = this.#children.indexOf(crashed);
    const others = {
      one_for_one: [],
      one_for_all: this.#children,
      rest_for_one: this.#children.slice(from + 1),
    }[this.#strategy];
    return others.filter((child) => child !== crashed);
  }

  #exceeds(nowMs: number): boolean {
    this.#restartsAtMs.push(nowMs);
    while ((this.#restartsAtMs[0] ?? nowMs) <= nowMs - this.#intensity.periodMs) this.#restartsAtMs.shift();
    return this.#restartsAtMs.length > this.#intensity.restarts;
  }

  #giveUp(child: Child, why: Fault): Effect[] {
    child.state = advance(childTable, child.state, "give_up");
    const { restarts, periodMs } = this.#intensity;
    const details = { child: child.name, restarts, periodMs, why: why.message };
    const reason = fault("RESTART_INTENSITY_EXCEEDED", details, { cause: why });
    return [{ do: "give_up", reason }, ...this.#end()];
  }

  #leave(child: Child, reason: Fault): Effect[] {
    if (child.state === "running") child.state = advance(childTable, child.state, "exit");
    this.#remove(child);
    return [{ do: "dismiss", name: child.name, reason }, ...this.#next()];
  }

  #dismissed(child: Child): Effect[] {
    this.#remove(child);
    return [{ do: "dismiss", name: child.name, reason: fault("ACTOR_STOPPED", { actor: child.name }) }];
  }

  #remove(child: Child): void {
    this.#children.splice(this.#children.indexOf(child), 1);
  }

  #find(name: string): Child | undefined {
    return this.#children.find((child) => child.name === name);
  }

  #known(name: string): Child {
    const child = this.#find(name);
    assert(child, `${name} is a child of this supervisor`);
    return child;
  }
}

const isUp = ({ state }: Child): boolean => state === "starting" || state === "running";
