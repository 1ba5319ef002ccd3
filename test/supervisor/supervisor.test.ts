import { expect, it } from "vitest";
import type { Link } from "../../src/actor/index.ts";
import type { Child, ChildSpec, OnEnd } from "../../src/supervisor/child.ts";
import { Supervisor } from "../../src/supervisor/supervisor.ts";
import { attachMetrics, createLog, createMetricsBlock } from "../../src/telemetry/index.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

/** One life, played by the test. */
interface Played {
  readonly name: string;
  readonly links: string[];
  readonly setUp: PromiseWithResolvers<void>;
  readonly stopped: PromiseWithResolvers<void>;
  readonly end: OnEnd;
}

function open(): { supervisor: Supervisor; lives: Played[]; told: string[] } {
  const lives: Played[] = [];
  const told: string[] = [];
  const makeChild = ({ name }: ChildSpec, end: OnEnd): Child => {
    const played: Played = {
      name,
      links: [],
      setUp: Promise.withResolvers(),
      stopped: Promise.withResolvers(),
      end,
    };
    lives.push(played);
    return {
      bell: null,
      start: () => played.setUp.promise,
      accept: async ({ caller }: Link) => void played.links.push(`from ${caller}`),
      connect: async ({ callee }: Link) => void played.links.push(`to ${callee}`),
      disconnect: async () => void played.links.push("lost"),
      dismiss: async (callee) => void played.links.push(`no ${callee}`),
      health: () => Promise.resolve({}),
      stop: () => played.stopped.promise,
      kill: () => Promise.resolve(),
    };
  };
  const clock = manualClock();
  const metrics = attachMetrics(createMetricsBlock().buffer);
  const supervisor = new Supervisor({
    strategy: "one_for_one",
    intensity: { restarts: 5, periodMs: 1_000 },
    clock,
    log: createLog({ component: "supervisor", clock, sink: () => undefined }),
    metrics,
    host: {
      connect: ({ callee }) => told.push(`connect ${callee}`),
      disconnect: () => told.push("disconnect"),
      dismiss: (callee, { code }) => told.push(`dismiss ${callee} ${code}`),
      gaveUp: ({ code }) => told.push(`gave up ${code}`),
    },
    hostBell: null,
    makeChild,
  });
  return { supervisor, lives, told };
}

const spec = (name: string, calls: readonly string[] = []): ChildSpec => ({
  name,
  handshake: "",
  module: "",
  init: undefined,
  calls,
  placement: "inline",
  restart: "permanent",
  startTimeoutMs: 1_000,
  shutdownMs: 1_000,
  mailbox: {},
  youngHeapMb: null,
  metrics: createMetricsBlock().buffer,
  shared: null,
  slot: 0,
});

it("does not announce a life that died in the moment in which its setup ended", async () => {
  const { supervisor, lives, told } = open();
  const spawning = supervisor.spawn(spec("a"));
  lives[0]?.setUp.resolve();
  await spawning;
  lives[0]?.end(new Error("dead"));
  lives[1]?.setUp.resolve();
  lives[1]?.end(new Error("dead again"));
  await microtasksDrained();
  expect(lives).toHaveLength(3);
  expect(told, "the third has not ended its setup").toEqual(["connect a", "disconnect"]);
  lives[2]?.setUp.resolve();
  await microtasksDrained();
  expect(told.at(-1)).toBe("connect a");
});

it("believes only the present life that it is dead", async () => {
  const { supervisor, lives } = open();
  void supervisor.spawn(spec("a"));
  lives[0]?.setUp.resolve();
  await microtasksDrained();
  lives[0]?.end(new Error("dead"));
  lives[0]?.end(new Error("dead, as was said"));
  expect(lives).toHaveLength(2);
});

it("makes one link for each caller and callee, whoever of them was there first", async () => {
  const { supervisor, lives } = open();
  void supervisor.spawn(spec("a", ["b"]));
  void supervisor.spawn(spec("b", ["a"]));
  for (const life of lives) {
    life.setUp.resolve();
    await microtasksDrained();
  }
  const [a, b] = lives;
  expect(a?.links.toSorted()).toEqual(["from b", "from host", "to b"]);
  expect(b?.links.toSorted()).toEqual(["from a", "from host", "to a"]);
});

it("stops a child whose setup has failed only once, when it is asked to stop it meanwhile", async () => {
  const { supervisor, lives, told } = open();
  const spawning = supervisor.spawn(spec("a")).catch((error: unknown) => error);
  lives[0]?.setUp.reject(new Error("no"));
  await microtasksDrained();
  const stopping = supervisor.stopChild("a");
  lives[0]?.stopped.resolve();
  await stopping;
  expect(await spawning).toMatchObject({ code: "ACTOR_STOPPED" });
  expect(told).toEqual(["dismiss a ACTOR_STOPPED"]);
  const again = supervisor.spawn(spec("a"));
  lives[1]?.setUp.resolve();
  await again;
});

it("ends only when the threads that were made ahead have ended, too", async () => {
  const { supervisor, lives } = open();
  const spawns = Promise.allSettled([supervisor.spawn(spec("a")), supervisor.spawn(spec("b"))]);
  let ended = false;
  const stopping = supervisor.stop().then(() => (ended = true));
  lives[0]?.stopped.resolve();
  expect(await spawns).toMatchObject([
    { reason: { code: "ACTOR_STOPPED" } },
    { reason: { code: "ACTOR_STOPPED" } },
  ]);
  await microtasksDrained();
  expect(ended).toBe(false);
  lives[1]?.stopped.resolve();
  await stopping;
});
