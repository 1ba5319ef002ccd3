import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/errors/index.ts";
import {
  BootstrapCore,
  OWN_RUN_MS,
  RERUN_MS_MAX,
  RERUN_MS_MIN,
  type BootstrapEffect,
  type RunOrder,
  type RunResult,
} from "../../../src/peers/bootstrap/bootstrap.core.ts";
import { SETTLE_MS, STAGGER_MS, type Candidate } from "../../../src/peers/bootstrap/dial-run.ts";
import type { BootstrapState } from "../../../src/peers/peers.protocol.ts";

/** What an address does: answers after so long, refuses after so long, or does nothing. */
type Fate = { connectsMs: number; as?: string } | { refusesMs: number } | "hangs";

const WALL_MS = 1_000_000;

/** The core in a world without chance: each node does what its fate says, and time jumps to what happens next. */
class World {
  readonly core: BootstrapCore;
  readonly fates = new Map<string, Fate>();
  readonly dialled: { address: string; atMs: number }[] = [];
  readonly states: BootstrapState[] = [];
  readonly results = new Map<number, RunResult>();
  readonly readyAtMs: number[] = [];
  cached: Candidate[] = [];
  ownPeerId = "own";
  ownAddresses: string[] = [];
  underWayMost = 0;
  #nowMs = 0;
  readonly #underWay = new Map<number, { node: Candidate; atMs: number; fate: Fate }>();

  constructor(nodes: readonly Candidate[] = [], connectionsMin = 0, chance = 0) {
    this.core = new BootstrapCore(nodes, connectionsMin, { next: () => chance });
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get at(): { nowMs: number; wallMs: number } {
    return { nowMs: this.#nowMs, wallMs: WALL_MS + this.#nowMs };
  }

  start(): void {
    this.apply(this.core.start(this.at));
  }

  run(order: Partial<RunOrder> = {}): number {
    const { runId, effects } = this.core.begin(
      { nodes: null, connectionsMin: 3, connectionsMax: 10, timeoutMs: 60_000, ...order },
      this.at,
    );
    this.apply(effects);
    return runId;
  }

  apply(effects: readonly BootstrapEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "moved") {
        this.states.push(effect.state);
        if (effect.state === "ready") this.readyAtMs.push(this.#nowMs);
      } else if (effect.kind === "ended") this.results.set(effect.runId, effect.result);
      else if (effect.kind === "withdraw") this.#underWay.delete(effect.attemptId);
      else if (effect.kind === "probe") {
        const { ownPeerId, ownAddresses, cached } = this;
        this.apply(this.core.dial(effect.runId, { ownPeerId, ownAddresses, cached }, this.at));
      } else {
        const { node, attemptId } = effect;
        this.dialled.push({ address: node.address, atMs: this.#nowMs });
        this.#underWay.set(attemptId, {
          node,
          atMs: this.#nowMs,
          fate: this.fates.get(node.address) ?? { refusesMs: 0 },
        });
        this.underWayMost = Math.max(this.underWayMost, this.#underWay.size);
      }
    }
  }

  /** Lets happen what happens until then. */
  until(untilMs: number): void {
    for (let step = 0; step < 10_000; step++) {
      const next = [...this.#underWay]
        .map(([id, { atMs, fate, node }]) => ({ id, atMs: atMs + delayOf(fate), fate, node }))
        .toSorted((a, b) => a.atMs - b.atMs)[0];
      const atMs = Math.min(next?.atMs ?? Infinity, this.core.nextAtMs);
      if (atMs > untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, atMs);
      if (next === undefined || next.atMs > this.core.nextAtMs) this.apply(this.core.tick(this.at));
      else {
        this.#underWay.delete(next.id);
        const { fate, node } = next;
        if (fate !== "hangs" && "connectsMs" in fate)
          this.apply(this.core.succeeded(next.id, fate.as ?? node.peerId, this.at));
        else this.apply(this.core.failed(next.id, "connection refused", false, this.at));
      }
    }
    if (untilMs < Infinity) this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** The result of a run, when all that can happen has. */
  resultOf(runId: number): RunResult {
    for (let guard = 0; !this.results.has(runId) && guard < 100; guard++) this.until(this.#nowMs + 10_000);
    const result = this.results.get(runId);
    expect(result, "the run has ended").toBeDefined();
    return result as RunResult;
  }
}

const delayOf = (fate: Fate): number =>
  fate === "hangs" ? Infinity : "connectsMs" in fate ? fate.connectsMs : fate.refusesMs;

const node = (name: string, overrides: Partial<Candidate> = {}): Candidate => ({
  address: `/ip4/127.0.0.1/tcp/1/p2p/${name}`,
  peerId: name,
  source: "custom",
  priority: 3,
  timeoutMs: 5_000,
  ...overrides,
});
const nodes = (prefix: string, count: number): Candidate[] =>
  Array.from({ length: count }, (_, index) => node(`${prefix}${index}`));

describe("whom it dials", () => {
  it("dials in order of priority: the plan's own, those added, peers of the registry, the public ones; equal ones as named", () => {
    const world = new World([
      node("public", { source: "default", priority: 5 }),
      node("own-a"),
      node("own-b"),
    ]);
    world.cached = [node("known", { source: "cached", priority: 4 })];
    world.core.addNode(node("added", { priority: 1 }));
    world.run();
    expect(world.dialled.map(({ address }) => address.split("/").at(-1))).toEqual([
      "added",
      "own-a",
      "own-b",
      "known",
      "public",
    ]);
  });

  it("dials the nodes of a call alone", () => {
    const world = new World([node("plan")]);
    world.cached = [node("known")];
    world.run({ nodes: [node("called", { source: "call", priority: 0 })] });
    expect(world.dialled.map(({ address }) => address)).toEqual([node("called").address]);
  });

  it("never dials its own id, its own addresses, or an address twice", () => {
    const own = { ...node("other"), address: "/ip4/127.0.0.1/tcp/9/p2p/other" };
    const world = new World([node("own"), own, node("a"), node("a"), node("b")]);
    world.ownAddresses = ["/ip4/127.0.0.1/tcp/9"];
    world.run();
    expect(world.dialled.map(({ address }) => address)).toEqual([node("a").address, node("b").address]);
  });

  it("does not dial a peer that is connected, and counts it", () => {
    const world = new World();
    world.apply(world.core.connected("a", world.at));
    const run = world.run({ nodes: nodes("", 1).concat(node("a")), connectionsMin: 1 });
    const result = world.resultOf(run);
    expect(world.dialled).toHaveLength(1);
    expect(result).toMatchObject({ ready: true, connectedPeers: ["a"] });
  });

  it("counts for a call with nodes only their peers, and else all that are connected", () => {
    const world = new World([node("plan")]);
    for (const each of ["x", "y", "z"]) world.apply(world.core.connected(each, world.at));
    const called = world.resultOf(world.run({ nodes: [node("called")], connectionsMin: 1 }));
    expect(called).toMatchObject({ ready: false, connectedPeers: [] });
    const planned = world.resultOf(world.run({ connectionsMin: 3 }));
    expect(planned).toMatchObject({ ready: true, connectedPeers: ["x", "y", "z"] });
  });

  it("ends an attempt at which another peer answers as failed, and says who it was", () => {
    const world = new World([node("wanted")]);
    world.fates.set(node("wanted").address, { connectsMs: 5, as: "mallory" });
    const { attempts } = world.resultOf(world.run());
    expect(attempts).toMatchObject([
      { status: "failed", peerId: null, error: "peer mallory answered there, not wanted" },
    ]);
  });
});

describe("how many at once", () => {
  const started = (world: World, atMs: number): number =>
    world.dialled.filter((dial) => dial.atMs === atMs).length;

  it("starts as many as are wanted, 8 at most", () => {
    const few = new World(nodes("n", 30));
    for (const each of nodes("n", 30)) few.fates.set(each.address, "hangs");
    few.run({ connectionsMin: 1, connectionsMax: 3 });
    expect(started(few, 0)).toBe(3);
    const many = new World(nodes("n", 30));
    for (const each of nodes("n", 30)) many.fates.set(each.address, "hangs");
    many.run({ connectionsMax: 100 });
    expect(started(many, 0)).toBe(LIMITS.bootstrap.parallel);
  });

  it("starts the next at once when one fails, and beside one that hangs after 200 ms", () => {
    const world = new World(nodes("n", 3));
    world.fates.set(node("n0").address, { refusesMs: 30 });
    world.fates.set(node("n1").address, "hangs");
    world.fates.set(node("n2").address, { connectsMs: 10 });
    world.run({ connectionsMin: 1, connectionsMax: 1 });
    world.until(1_000);
    expect(world.dialled.map(({ atMs }) => atMs)).toEqual([0, 30, 30 + STAGGER_MS]);
  });

  it("doubles while nobody answers, and has 48 under way at most", () => {
    const all = nodes("n", 100);
    const world = new World(all);
    for (const each of all) world.fates.set(each.address, "hangs");
    world.run({ connectionsMin: 1, connectionsMax: 1 });
    world.until(2_000);
    expect([0, 1, 2, 3].map((step) => started(world, step * STAGGER_MS))).toEqual([1, 2, 4, 8]);
    expect(world.underWayMost).toBe(LIMITS.bootstrap.underWay);
  });

  it.each([1, 3, 4, 10])(
    "is ready below a second with 24 nodes of which 14 hang and 6 refuse, in any order, when at most %i are wanted",
    (connectionsMax) => {
      fc.assert(
        fc.property(fc.shuffledSubarray([...Array(24).keys()], { minLength: 24, maxLength: 24 }), (order) => {
          const world = new World(order.map((index) => node(`n${index}`)));
          for (const index of order) {
            const fate: Fate = index < 14 ? "hangs" : index < 20 ? { refusesMs: 2 } : { connectsMs: 60 };
            world.fates.set(node(`n${index}`).address, fate);
          }
          const connectionsMin = Math.min(3, connectionsMax);
          const run = world.run({ connectionsMin, connectionsMax });
          const result = world.resultOf(run);
          expect(result.ready).toBe(true);
          expect(world.readyAtMs[0]).toBeLessThan(1_000);
          expect(result.tookMs).toBeLessThan(1_200);
        }),
        // First that with all that hang in front.
        { numRuns: 200, examples: [[[...Array(24).keys()]]] },
      );
    },
  );
});

describe("when a run stops", () => {
  it("stops at the most that are wanted, and what is under way is withdrawn and leaves no attempt behind", () => {
    const world = new World(nodes("n", 3));
    world.fates.set(node("n0").address, { connectsMs: 10 });
    for (const name of ["n1", "n2"]) world.fates.set(node(name).address, "hangs");
    const { attempts, tookMs } = world.resultOf(world.run({ connectionsMin: 1, connectionsMax: 1 }));
    expect(attempts).toHaveLength(1);
    expect(tookMs).toBe(10);
  });

  it("waits 300 ms for those that hang when enough are connected and none is left to start", () => {
    const world = new World(nodes("n", 3));
    world.fates.set(node("n0").address, { connectsMs: 10 });
    for (const name of ["n1", "n2"]) world.fates.set(node(name).address, "hangs");
    const result = world.resultOf(world.run({ connectionsMin: 1 }));
    expect(result.tookMs).toBe(10 + SETTLE_MS);
    expect(result.attempts.map(({ status }) => status)).toEqual(["success", "timeout", "timeout"]);
    expect(result.ready).toBe(true);
  });

  it("ends each attempt by its own time", () => {
    const world = new World([node("n0", { timeoutMs: 700 })]);
    world.fates.set(node("n0").address, "hangs");
    expect(world.resultOf(world.run()).attempts).toMatchObject([
      { status: "timeout", tookMs: 700, error: "no answer within 0.7 s", startedAtMs: WALL_MS },
    ]);
  });

  it("ends all attempts with the time of the run, as timeouts", () => {
    const world = new World(nodes("n", 2));
    for (const each of nodes("n", 2)) world.fates.set(each.address, "hangs");
    const result = world.resultOf(world.run({ timeoutMs: 400 }));
    expect(result).toMatchObject({ ready: false, tookMs: 400 });
    expect(result.attempts.map(({ error }) => error)).toEqual(
      Array(2).fill("the time of the bootstrap was up"),
    );
  });

  it("is over at once when there is nobody to dial", () => {
    const world = new World();
    expect(world.resultOf(world.run())).toMatchObject({ ready: false, attempts: [], tookMs: 0 });
    expect(world.core.state).toBe("degraded");
  });

  it("waits for the answer of a peer that it dials, though the connection stands already", () => {
    const world = new World(nodes("n", 1));
    world.fates.set(node("n0").address, { connectsMs: 50 });
    const run = world.run({ connectionsMin: 1, connectionsMax: 1 });
    world.until(40);
    world.apply(world.core.connected("n0", world.at));
    expect(world.results.size).toBe(0);
    expect(world.resultOf(run)).toMatchObject({ attempts: [{ status: "success", tookMs: 50 }], tookMs: 50 });
  });

  it("tells no result to a caller that has gone, and withdraws its dials", () => {
    const world = new World(nodes("n", 2));
    for (const each of nodes("n", 2)) world.fates.set(each.address, "hangs");
    const run = world.run();
    const effects = world.core.abandon(run, world.at);
    expect(effects.filter(({ kind }) => kind === "withdraw")).toHaveLength(2);
    world.apply(effects);
    world.until(100_000);
    expect(world.results.size).toBe(0);
    expect(world.core.history(0, 10).total).toBe(0);
  });
});

describe("how it goes on", () => {
  it("is idle until it is asked when its plan has no minimum, and never runs by itself", () => {
    const world = new World(nodes("n", 3));
    world.start();
    world.until(1_000_000);
    expect(world.core.state).toBe("idle");
    expect(world.dialled).toEqual([]);
    expect(world.core.nextAtMs).toBe(Infinity);
  });

  it("goes from idle over probing and dialling to ready, and from there to degraded when peers are lost", () => {
    const world = new World(nodes("n", 2), 2);
    for (const each of nodes("n", 2)) world.fates.set(each.address, { connectsMs: 20 });
    world.start();
    world.until(100);
    expect(world.states).toEqual(["probing", "dialling", "ready"]);
    world.apply(world.core.disconnected("n1", world.at));
    expect(world.core.state).toBe("degraded");
  });

  it("keeps looking after the first success is lost, with pauses that double from 1 s to 60 s", () => {
    const world = new World(nodes("n", 1), 1);
    world.fates.set(node("n0").address, { connectsMs: 10 });
    world.start();
    world.until(100);
    world.fates.set(node("n0").address, { refusesMs: 0 });
    world.apply(world.core.disconnected("n0", world.at));
    const lostAtMs = world.nowMs;
    world.until(400_000);
    const times = world.dialled.slice(1).map(({ atMs }) => atMs - lostAtMs);
    const pauses = times.map((atMs, index) => atMs - (times[index - 1] ?? 0));
    expect(pauses.slice(0, 8)).toEqual([1, 2, 4, 8, 16, 32, 60, 60].map((s) => s * 1_000));
    expect(pauses[0]).toBe(RERUN_MS_MIN);
    expect(Math.max(...pauses)).toBe(RERUN_MS_MAX);
  });

  it("takes up to a half off each pause by chance", () => {
    const world = new World([], 1, 0.5);
    world.start();
    expect(world.core.rerunAtMs).toBe(750);
  });

  it("begins anew with the shortest pause when the minimum was reached", () => {
    const world = new World(nodes("n", 1), 1);
    world.start();
    world.until(20_000);
    world.apply(world.core.connected("x", world.at));
    expect(world.core.rerunAtMs).toBe(Infinity);
    world.apply(world.core.disconnected("x", world.at));
    expect(world.core.rerunAtMs).toBe(world.nowMs + RERUN_MS_MIN);
  });

  it("is ready by peers that connect from their side", () => {
    const world = new World([], 2);
    world.start();
    expect(world.core.state).toBe("degraded");
    world.apply(world.core.standing(["a", "b"], world.at));
    expect(world.core.state).toBe("ready");
    world.apply(world.core.standing([], world.at));
    expect(world.core.state).toBe("degraded");
  });

  it("bounds a run of its own", () => {
    const world = new World(
      nodes("n", 1).map((each) => ({ ...each, timeoutMs: 100_000 })),
      1,
    );
    world.fates.set(node("n0").address, "hangs");
    world.start();
    world.until(OWN_RUN_MS);
    expect(world.core.history(0, 1).attempts).toMatchObject([{ tookMs: OWN_RUN_MS, status: "timeout" }]);
  });

  it("does nothing more when it is closed", () => {
    const world = new World(nodes("n", 2), 2);
    for (const each of nodes("n", 2)) world.fates.set(each.address, "hangs");
    world.start();
    expect(world.core.close().map(({ kind }) => kind)).toEqual(["withdraw", "withdraw"]);
    expect(world.core.nextAtMs).toBe(Infinity);
    expect(world.core.disconnected("n0", world.at)).toEqual([]);
  });
});

describe("what it remembers", () => {
  it("tells attempts newest first, page by page", () => {
    const world = new World(nodes("n", 5));
    world.run({ connectionsMax: 1, connectionsMin: 0 });
    world.until(10);
    const names = (offset: number, limit: number): (string | undefined)[] =>
      world.core.history(offset, limit).attempts.map(({ address }) => address.split("/").at(-1));
    expect(names(0, 2)).toEqual(["n4", "n3"]);
    expect(names(3, 10)).toEqual(["n1", "n0"]);
    expect(names(9, 10)).toEqual([]);
    expect(world.core.clearHistory()).toBe(5);
    expect(world.core.history(0, 10)).toEqual({ attempts: [], total: 0 });
  });

  it("holds the latest 1,000 attempts", () => {
    const world = new World(nodes("n", 100));
    for (let run = 0; run < 11; run++) {
      world.run();
      world.until(world.nowMs + 1);
    }
    expect(world.dialled).toHaveLength(1_100);
    expect(world.core.history(0, 1).total).toBe(LIMITS.bootstrap.history);
  });

  it("takes 100 nodes and refuses one more; a known one gets its new time", () => {
    const world = new World(nodes("n", LIMITS.peers.bootstrapNodes));
    world.core.addNode(node("n0", { timeoutMs: 1 }));
    expect(() => world.core.addNode(node("one-more"))).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });

  it("refuses a run beside eight others", () => {
    const world = new World(nodes("n", 1));
    world.fates.set(node("n0").address, "hangs");
    for (let run = 0; run < LIMITS.bootstrap.runs; run++) world.run();
    expect(() => world.run()).toThrow(expect.objectContaining({ code: "MAILBOX_FULL" }));
  });
});

it("ends every run, whatever its nodes do, and never has more under way than it may", () => {
  const fate = fc.oneof(
    fc.constant<Fate>("hangs"),
    fc.nat(3_000).map((ms): Fate => ({ refusesMs: ms })),
    fc.nat(3_000).map((ms): Fate => ({ connectsMs: ms })),
  );
  fc.assert(
    fc.property(
      fc.array(fate, { maxLength: 60 }),
      fc.nat(10),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 20_000 }),
      (fates, least, connectionsMax, timeoutMs) => {
        const connectionsMin = Math.min(least, connectionsMax);
        const world = new World(fates.map((_, index) => node(`n${index}`)));
        for (const [index, each] of fates.entries()) world.fates.set(node(`n${index}`).address, each);
        const run = world.run({ connectionsMin, connectionsMax, timeoutMs });
        const result = world.resultOf(run);
        const succeeded = result.attempts.filter(({ status }) => status === "success");
        expect(result.tookMs).toBeLessThanOrEqual(timeoutMs);
        expect(result.ready).toBe(succeeded.length >= connectionsMin);
        expect(succeeded.length).toBeLessThanOrEqual(connectionsMax);
        expect(world.underWayMost).toBeLessThanOrEqual(LIMITS.bootstrap.underWay);
        expect(new Set(world.dialled.map(({ address }) => address)).size).toBe(world.dialled.length);
      },
    ),
    { numRuns: 300 },
  );
});
