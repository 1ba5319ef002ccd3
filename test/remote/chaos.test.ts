import { expect, it } from "vitest";
import { seededRandom } from "../kit/seeded-random.ts";
import { LEASE_MS, World, outputOf, type Node } from "./kit/world.ts";

const TASKS = 40;
const FAULTS = 12;

/** Takes its time, on the clock of the world, and counts how often it runs at once for one task. */
function worker(world: World, random: { next(): number }, running: Map<string, number>) {
  return async (
    input: unknown,
    { taskId, signal }: { taskId: string; signal: AbortSignal },
  ): Promise<unknown> => {
    running.set(taskId, (running.get(taskId) ?? 0) + 1);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = world.clock.at(world.clock.now() + random.next() * 8_000, resolve);
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    try {
      await promise;
      return (input as number) * 2;
    } finally {
      timer.cancel();
      running.set(taskId, (running.get(taskId) ?? 0) - 1);
    }
  };
}

it.each(Array.from({ length: 12 }, (_, index) => index + 1))(
  "whatever happens to connections and nodes, every task ends once and rightly (seed %i)",
  async (seed) => {
    const random = seededRandom(seed);
    const world = new World();
    const running = new Map<string, number>();
    const a = await world.node({ threads: 1, handlers: { work: worker(world, random, running) } });
    const doers: Node[] = [];
    const join = async (): Promise<void> => {
      const b = await world.node({ handlers: { work: worker(world, random, running) } });
      world.network.connect(a.wire, b.wire);
      await a.use(await b.allow(a, { concurrency: 3 }));
      doers.push(b);
    };
    await join();
    await join();
    world.network.delayMs = 5;
    const tasks = Array.from({ length: TASKS }, (_, index) => ({ taskId: `t${index}`, value: index }));
    await a.submit(...tasks);
    for (let round = 0; round < FAULTS; round++) {
      await world.pass(random.next() * 6_000);
      const b = doers[Math.floor(random.next() * doers.length)];
      const chance = random.next();
      if (b === undefined) await join();
      else if (chance < 0.25) {
        world.network.disconnect(a.wire, b.wire);
        world.clock.at(world.clock.now() + random.next() * LEASE_MS, () => {
          if (doers.includes(b)) world.network.connect(a.wire, b.wire);
        });
      } else if (chance < 0.5) {
        world.network.cut(a.wire, b.wire);
        world.clock.at(world.clock.now() + random.next() * 2 * LEASE_MS, () =>
          world.network.heal(a.wire, b.wire),
        );
      } else if (chance < 0.65) {
        doers.splice(doers.indexOf(b), 1);
        b.crash();
        await join();
      } else if (chance < 0.8) {
        const lost = random.next() * 0.4;
        world.network.onRequest = () => random.next() < lost;
      } else world.network.onRequest = () => false;
    }
    world.network.onRequest = () => false;
    for (const { taskId, value } of tasks) {
      const outcome = await a.end(taskId);
      expect([taskId, outcome.state, outputOf(outcome)]).toEqual([taskId, "completed", value * 2]);
    }
    await world.pass(3 * LEASE_MS);
    // Nothing is left behind, on either side.
    expect([...running.values()].every((count) => count === 0)).toBe(true);
    for (const { running: left } of await a.outlets()) expect(left).toBe(0);
    for (const b of doers) {
      const { grants } = await world.drive(b.remote.ref.call.grants());
      expect(grants.map((grant) => grant.running)).toEqual([0]);
      expect(b.remote.health()).toMatchObject({ served: 0 });
    }
  },
);
