import { assert } from "../../src/errors/index.ts";
import { importBehaviour } from "../../src/supervisor/child.ts";
import { openSupervisor, type SupervisorHandle, type SupervisorSetup } from "../../src/supervisor/index.ts";
import { createLog } from "../../src/telemetry/index.ts";
import { manualClock, type ManualClock } from "./manual-clock.ts";
import { microtasksDrained } from "./microtasks.ts";
import { seededRandom, testSeed } from "./seeded-random.ts";
import { seededScheduler, type SeededScheduler } from "./seeded-scheduler.ts";

/** A whole system of actors in one thread, on a clock that the test moves and in an order that a seed decides. */
export interface Simulated extends AsyncDisposable {
  readonly supervisor: SupervisorHandle;
  readonly clock: ManualClock;
  readonly scheduler: SeededScheduler;
  /** What the supervisor and its actors logged, one line each. */
  readonly logged: readonly string[];
  /**
   * Lets the system run until `promise` settles, and settles alike: one turn of the scheduler after the other, and
   * when nothing is ready, time goes on to the next timer.
   *
   * @param turnsMax Rejects after so many: two actors can keep each other busy for ever. Default 200,000.
   */
  drive<T>(promise: Promise<T>, turnsMax?: number): Promise<T>;
}

const TURNS_MAX = 200_000;
/** What the scheduler does not see, such as a module that is being loaded, gets so many turns of the real loop. */
const REAL_TURNS = 20;

export interface SimulatedSetup extends Omit<SupervisorSetup, "simulation" | "supervisor"> {
  /** Of actors that will be spawned. Loading takes real time, so it is done before simulated time begins to count. */
  readonly modules?: readonly string[];
  /** Decides the order of turns; default: that of the test. */
  readonly seed?: number;
}

/** Call it inside a test: the seed is printed when the test fails. */
export async function openSimulated({
  modules = [],
  seed,
  ...setup
}: SimulatedSetup = {}): Promise<Simulated> {
  await Promise.all(modules.map((module) => importBehaviour(module)));
  const clock = manualClock();
  const random = seededRandom(seed ?? testSeed());
  const scheduler = seededScheduler(random);
  const logged: string[] = [];
  const log = createLog({
    component: "simulated",
    clock,
    level: "debug",
    sink: (line) => void logged.push(line),
  });
  const supervisor = openSupervisor({ ...setup, simulation: { clock, random, scheduler, log } });

  const drive = async <T>(promise: Promise<T>, turnsMax = TURNS_MAX): Promise<T> => {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    let idleTurns = 0;
    for (let turn = 0; turn < turnsMax; turn++) {
      await microtasksDrained();
      if (settled) return promise;
      if (await scheduler.step()) idleTurns = 0;
      else if (idleTurns < REAL_TURNS) idleTurns++;
      else {
        assert(
          clock.nextAtMs < Infinity,
          "nothing is ready and no timer is set, but the promise has not settled",
        );
        idleTurns = 0;
        await clock.advance(Math.max(0, clock.nextAtMs - clock.now()));
      }
    }
    throw new Error(`the promise has not settled after ${turnsMax} turns`);
  };
  return {
    supervisor,
    clock,
    scheduler,
    logged,
    drive,
    [Symbol.asyncDispose]: () => drive(supervisor.close()),
  };
}
