import { threadBells, type BellOf } from "../actor/index.ts";
import { InlinePoller, Presence, ThreadPoller, createBell, type Bell } from "../ring/index.ts";
import {
  systemClock,
  systemRandom,
  systemScheduler,
  type Clock,
  type Random,
  type Scheduler,
} from "../scope/index.ts";
import { attachMetrics, type Log } from "../telemetry/index.ts";
import type { Child, ChildSpec, OnEnd } from "./child.ts";
import { InlineChild } from "./inline-child.ts";
import { ThreadChild } from "./thread-child.ts";
import { threadLog } from "./thread-log.ts";

type MakeChild = (spec: ChildSpec, onEnd: OnEnd) => Child;

/** Real threads, and inline actors that other threads can wake. */
export function childMaker(presence: SharedArrayBuffer): MakeChild {
  return (spec, onEnd) => {
    if (spec.placement === "thread") return new ThreadChild(spec, presence, systemClock, onEnd);
    const bell = createBell();
    const metrics = attachMetrics(spec.metrics);
    const services = {
      poller: new ThreadPoller(bell, new Presence(presence, spec.slot), { metrics }),
      clock: systemClock,
      random: systemRandom,
      scheduler: systemScheduler,
      log: threadLog(spec.name),
      metrics,
    };
    return new InlineChild(spec.name, { services, bell, bellOf: threadBells }, onEnd);
  };
}

/** What a simulation replaces the world with. */
export interface Simulation {
  readonly clock: Clock;
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly log: Log;
}

/** One thread, no real time: everything inline, and every turn the scheduler's choice. */
export class SimulatedPlace {
  readonly #simulation: Simulation;
  readonly #bells = new Map<string, Bell>();
  readonly hostPoller: InlinePoller;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
    this.hostPoller = new InlinePoller(simulation.scheduler);
    this.#bells.set("host", this.hostPoller.bell);
  }

  /** Looked up when rung, not when linked: the other side may not have been made yet. */
  readonly bellOf: BellOf = (_shared, owner) => ({ ring: () => this.#bells.get(owner)?.ring() });

  readonly makeChild: MakeChild = (spec, onEnd) => {
    const poller = new InlinePoller(this.#simulation.scheduler);
    this.#bells.set(spec.name, poller.bell);
    const services = { ...this.#simulation, poller, metrics: attachMetrics(spec.metrics) };
    return new InlineChild(spec.name, { services, bell: null, bellOf: this.bellOf }, onEnd);
  };
}
