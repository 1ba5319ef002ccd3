import { expect, it } from "vitest";
import { isFault } from "../../src/errors/index.ts";
import { seededRandom, testSeed } from "../kit/seeded-random.ts";
import { openSimulated } from "../kit/simulated.ts";
import { partModule, type PartRef } from "./house.ts";
import { actorsOf, createJournal } from "./modules/journal.ts";
import { Part, type Trouble } from "./modules/part.protocol.ts";

const RUNS = 40;
const STEPS = 120;
const NAMES = 5;

const TROUBLES: (Trouble | undefined)[] = [
  ...Array<undefined>(6).fill(undefined),
  "setup throws",
  "setup throws again",
  "setup hangs",
  "setup hangs again",
  "setup waits for its end",
  "cleanup throws",
  "cleanup hangs",
  "release throws",
];

it("ends every call, spawn and stop, and every life once, whatever happens in whatever order", async () => {
  const random = seededRandom(testSeed());
  const below = (limit: number): number => Math.floor(random.next() * limit);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;

  for (let run = 0; run < RUNS; run++) {
    const seed = below(2 ** 32);
    const strategy = pick(["one_for_one", "one_for_all", "rest_for_one"] as const);
    const intensity = { restarts: pick([1, 5, 50]), periodMs: 10_000 };
    await using simulated = await openSimulated({ modules: [partModule], seed, strategy, intensity });
    const { supervisor, scheduler, clock, drive } = simulated;
    const journal = createJournal();
    const refs: PartRef[] = [];
    /** What has been asked for: it must end, well or with a fault. */
    const asked: Promise<unknown>[] = [];
    const ask = (promise: Promise<unknown>): void => {
      asked.push(
        promise.catch((error: unknown) => {
          expect(isFault(error), `run ${run}, seed ${seed}: ${String(error)}`).toBe(true);
        }),
      );
    };
    const actions: (() => unknown)[] = [
      () => {
        const id = below(NAMES);
        const trouble = pick(TROUBLES);
        const init = { id, journal, ...(trouble && { trouble }) };
        const calls = Array.from({ length: NAMES }, (_, other) => `part-${other}`);
        const restart = pick(["permanent", "permanent", "transient", "temporary"] as const);
        const times = { startTimeoutMs: 500, shutdownMs: 200 };
        const spawn = supervisor.spawn(Part, {
          name: `part-${id}`,
          module: partModule,
          init,
          calls,
          restart,
          ...times,
        });
        ask(spawn.then((ref) => refs.push(ref)));
      },
      () => ask(supervisor.kill(`part-${below(NAMES)}`)),
      () => ask(supervisor.stopChild(`part-${below(NAMES)}`)),
      () => ask(supervisor.health()),
      () => refs.length > 0 && pick(refs).cast.crash(),
      () => refs.length > 0 && ask(pick(refs).call.epoch()),
      () => refs.length > 0 && ask(pick(refs).call.ask({ name: `part-${below(NAMES)}` })),
      () => refs.length > 0 && ask(pick(refs).ready()),
      () => refs.length > 0 && ask(pick(refs).writable()),
    ];
    for (let step = 0; step < STEPS; step++) {
      if (random.next() < 0.5) pick(actions)();
      for (let turns = below(6); turns > 0; turns--) await scheduler.step();
      if (random.next() < 0.1) await clock.advance(below(300));
    }
    await drive(supervisor.close());
    await drive(Promise.all(asked));
    const what = `run ${run}, seed ${seed}`;
    expect(clock.pending, `${what}: no timer is left`).toBe(0);
    expect(await drive(supervisor.health()), what).toEqual([]);
    // Each life that came up ended, and gave back what it held.
    const ends = actorsOf(journal, "exit");
    for (let id = 0; id < NAMES; id++) {
      const ups = actorsOf(journal, "up").filter((each) => each === id).length;
      expect(ends.filter((each) => each === id).length, `${what}: part-${id}`).toBeGreaterThanOrEqual(ups);
    }
    for (const ref of refs) {
      await expect(ref.call.epoch(), what).rejects.toSatisfy((error) => isFault(error));
      await expect(ref.ready(), what).rejects.toSatisfy((error) => isFault(error));
    }
  }
});
