import { expect, it } from "vitest";
import { assert, fault } from "../../src/errors/index.ts";
import {
  SupervisorCore,
  type Effect,
  type RestartType,
  type Strategy,
} from "../../src/supervisor/supervisor.core.ts";
import { seededRandom, testSeed } from "../kit/seeded-random.ts";

const RUNS = 400;
const STEPS = 80;
const PERIOD_MS = 1_000;

const crash = fault("UNAVAILABLE", { what: "a child", why: "a test says so" });

interface Known {
  readonly name: string;
  readonly restart: RestartType;
  epoch: number;
  /** Its process: none, in setup, up, or being stopped. */
  life: "none" | "starting" | "up" | "stopping";
  /** Must it be stopped before anything else may start? */
  due: boolean;
  /** Has it been up? */
  beenUp: boolean;
  /** Will it never be started again? */
  over: boolean;
}

/** The rules of OTP, told from outside: what may be done when, and what must have been done in the end. */
class Oracle {
  readonly core: SupervisorCore;
  readonly #strategy: Strategy;
  readonly #restarts: number;
  readonly #restartsAtMs: number[] = [];
  /** In start order. */
  children: Known[] = [];
  readonly spawnsOpen = new Set<string>();
  nowMs = 0;
  gaveUp = 0;
  finished = 0;
  ending = false;

  constructor(strategy: Strategy, restarts: number) {
    this.core = new SupervisorCore(strategy, { restarts, periodMs: PERIOD_MS });
    this.#strategy = strategy;
    this.#restarts = restarts;
  }

  add(name: string, restart: RestartType): void {
    this.children.push({ name, restart, epoch: 0, life: "none", due: false, beenUp: false, over: false });
    this.spawnsOpen.add(name);
    this.#check(this.core.add(name, restart));
  }

  ready(child: Known): void {
    child.life = "up";
    child.beenUp = true;
    this.#check(this.core.ready(child.name));
  }

  /** Setup throws, the process crashes, or it ends itself. */
  die(child: Known, how: "crash" | "exit"): void {
    const wasStarting = child.life === "starting";
    const expected = child.due || child.life === "stopping";
    child.life = "none";
    child.due = false;
    const stays =
      child.restart === "temporary" || (child.restart === "transient" && how === "exit" && !wasStarting);
    const failsToStart = wasStarting && !child.beenUp;
    if (!expected && !this.ending && !failsToStart && !stays) this.#restart(child);
    if (!expected && (failsToStart || stays)) child.over = true;
    if (wasStarting) this.#check(this.core.startFailed(child.name, crash, this.nowMs));
    else if (how === "exit") this.#check(this.core.exited(child.name, this.nowMs));
    else this.#check(this.core.crashed(child.name, crash, this.nowMs));
  }

  halted(child: Known): void {
    child.life = "none";
    child.due = false;
    this.#check(this.core.halted(child.name));
  }

  stopChild(child: Known): void {
    child.over = true;
    child.due = child.life === "starting" || child.life === "up" || child.due;
    this.#check(this.core.stopChild(child.name));
  }

  stop(): void {
    this.#end();
    this.#check(this.core.stop());
  }

  #restart(crashed: Known): void {
    this.#restartsAtMs.push(this.nowMs);
    const recent = this.#restartsAtMs.filter((atMs) => atMs > this.nowMs - PERIOD_MS);
    if (recent.length > this.#restarts) {
      this.#end();
      this.gaveUp--; // the effect makes up for it
      return;
    }
    const from = this.children.indexOf(crashed);
    for (const [index, other] of this.children.entries()) {
      const affected =
        this.#strategy === "one_for_all" || (this.#strategy === "rest_for_one" && index > from);
      if (!affected || other === crashed || (other.life !== "up" && other.life !== "starting")) continue;
      other.due = true;
      if (other.restart === "temporary") other.over = true;
    }
  }

  #end(): void {
    this.ending = true;
    for (const child of this.children) {
      child.over = true;
      child.due = child.life === "starting" || child.life === "up";
    }
  }

  #check(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.do === "give_up") this.gaveUp++;
      else if (effect.do === "finished") {
        this.finished++;
        expect(this.children, "everything has been dismissed").toEqual([]);
      } else this.#checkChild(effect);
    }
  }

  #checkChild(effect: Extract<Effect, { readonly name: string }>): void {
    const child = this.children.find(({ name }) => name === effect.name);
    assert(child, `${effect.do} ${effect.name}: it is a child`);
    const index = this.children.indexOf(child);
    switch (effect.do) {
      case "launch":
        expect(child.life, "never two lives of one child").toBe("none");
        expect(child.over, "it may be started").toBe(false);
        expect(this.ending).toBe(false);
        expect(effect.epoch).toBe(child.epoch + 1);
        expect(
          this.children.some(({ due, life }) => due || life === "stopping"),
          "stops come first",
        ).toBe(false);
        expect(
          this.children.some(({ life }) => life === "starting"),
          "one at a time",
        ).toBe(false);
        expect(
          this.children.slice(0, index).every(({ life }) => life === "up"),
          "from the first on",
        ).toBe(true);
        child.epoch = effect.epoch;
        child.life = "starting";
        break;
      case "halt":
        expect(child.due, "it was to be stopped").toBe(true);
        expect(
          this.children.some(({ life }) => life === "stopping"),
          "one at a time",
        ).toBe(false);
        expect(
          this.children.slice(index + 1).some(({ due }) => due),
          "from the last on",
        ).toBe(false);
        child.life = "stopping";
        break;
      case "announce":
        expect(child.life).toBe("up");
        this.spawnsOpen.delete(child.name);
        break;
      case "dismiss":
        expect(child.life, "nothing of it is left").toBe("none");
        expect(child.over, "it has no future").toBe(true);
        this.spawnsOpen.delete(child.name);
        this.children.splice(index, 1);
        break;
    }
  }
}

it("keeps the rules of OTP through any sequence of events", () => {
  const random = seededRandom(testSeed());
  const below = (limit: number): number => Math.floor(random.next() * limit);
  const pick = <T>(from: readonly T[]): T | undefined => from[below(from.length)];

  for (let run = 0; run < RUNS; run++) {
    const strategy = pick(["one_for_one", "one_for_all", "rest_for_one"] as const) ?? "one_for_one";
    const oracle = new Oracle(strategy, below(6));
    let named = 0;
    const settle = (child: Known | undefined): void => {
      if (child?.life === "starting") oracle.ready(child);
      else if (child?.life === "stopping") oracle.halted(child);
    };
    for (let step = 0; step < STEPS && oracle.finished === 0; step++) {
      oracle.nowMs += below(300);
      const choice = below(100);
      const child = pick(oracle.children);
      if (choice < 20 && !oracle.ending) {
        oracle.add(
          `child ${named++}`,
          pick(["permanent", "permanent", "transient", "temporary"] as const) ?? "permanent",
        );
      } else if (choice < 65)
        settle(pick(oracle.children.filter(({ life }) => life === "starting" || life === "stopping")));
      else if (choice < 85) {
        if (child && child.life !== "none")
          oracle.die(child, pick(["crash", "crash", "exit"] as const) ?? "crash");
      } else if (choice < 97) {
        if (child && !child.over) oracle.stopChild(child);
      } else if (choice === 99 && !oracle.ending) oracle.stop();
    }
    // Left alone, everything that is wanted comes up.
    for (let child; (child = oracle.children.find(({ life }) => life === "starting" || life === "stopping"));)
      settle(child);
    if (!oracle.ending) {
      expect(
        oracle.children.every(({ life, over }) => life === "up" && !over),
        "all are up",
      ).toBe(true);
      expect([...oracle.spawnsOpen], "every spawn has ended").toEqual([]);
      oracle.stop();
      for (let child; (child = oracle.children.find(({ life }) => life === "stopping"));) settle(child);
    }
    expect(oracle.finished, "it ends exactly once").toBe(1);
    expect(oracle.gaveUp, "it gives up when, and only when, the intensity is exceeded").toBe(0);
    expect([...oracle.spawnsOpen], "every spawn has ended").toEqual([]);
  }
});
