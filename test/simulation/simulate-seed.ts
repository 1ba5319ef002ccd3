import { WORLD_FAULTS } from "./faults.ts";
import { lookAtAll } from "./look-at-all.ts";
import { claim, finish, register, removeQuota, setPause } from "./operator-commands.ts";
import { outputOf } from "./pool.ts";
import { total, type Counts, type FaultKind } from "./tally.ts";
import { COMMANDS, World, type WorldOptions } from "./world.ts";

/** Every seed gives at least so many commands, and meets at least so many faults. */
export const COMMANDS_MIN = 200;
export const FAULTS_MIN = 5;
/** After so much calm whatever was accepted has ended. */
const CALM_ROUNDS = 140;

export interface SeedResult {
  readonly seed: number;
  /** Broken laws; empty when all is well. */
  readonly violations: readonly string[];
  /** The latest of what happened, when a law was broken or the history was asked for. */
  readonly lines: readonly string[];
  readonly counts: Counts;
  readonly traceHash: string;
}

/** A life of the queue under commands and faults that one number decides, all of it checked. */
export async function simulateSeed(options: WorldOptions): Promise<SeedResult> {
  const world = await World.open(options);
  const { checker, counts, requests, turns } = world;
  const isOver = (): boolean => checker.violations.length > 0;
  const defects = catchDefects((error) => checker.broken(textOf(error)));
  try {
    while (!isOver() && (requests.sent < COMMANDS_MIN || total(counts.faults) < FAULTS_MIN)) {
      for (let more = 1 + requests.below(5); more > 0; more--) command(world);
      if (requests.chance(0.12)) await strike(world);
      await turns.run(requests.below(40));
      if (requests.chance(0.35)) await turns.pass(requests.below(requests.chance(0.1) ? 5_000 : 300));
    }
    if (!isOver()) await comeToRest(world);
    if (!isOver()) await lookAtAll(world);
    if (!isOver()) {
      // What was seen last must be there after the power has failed once more.
      await WORLD_FAULTS.power_cut?.(world);
      await turns.runAll();
    }
  } catch (error) {
    checker.broken(textOf(error));
  }
  if (world.disk.ghosts > 0 && !isOver()) checker.broken("a life that was over wanted to write");
  const lines = isOver() || options.history ? world.lines : [];
  const { violations } = checker;
  const found = [...violations];
  const traceHash = await world.close();
  defects.restore();
  return { seed: options.seed, violations: found, lines, counts, traceHash };
}

export const textOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

/** A defect that would end the queue's thread has none to end here: it is caught before it ends this one. */
export function catchDefects(onDefect: (error: unknown) => void): { restore: () => void } {
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", onDefect);
  return {
    restore() {
      process.removeListener("unhandledRejection", onDefect);
      for (const other of others) process.on("unhandledRejection", other);
    },
  };
}

const WEIGHTS = Object.entries(COMMANDS).map(([, [weight, send]]) => ({ weight, send }));
const ALL_WEIGHTS = WEIGHTS.reduce((sum, { weight }) => sum + weight, 0);

function command({ requests }: World): void {
  const { sent } = requests;
  for (let tries = 0; tries < 10 && requests.sent === sent; tries++) {
    let at = requests.random.next() * ALL_WEIGHTS;
    WEIGHTS.find(({ weight }) => (at -= weight) < 0)?.send(requests);
  }
}

const KINDS = Object.keys(WORLD_FAULTS) as FaultKind[];

async function strike(world: World): Promise<void> {
  const kind = world.requests.pick(KINDS);
  if (kind === undefined) return;
  if ((await WORLD_FAULTS[kind]?.(world)) !== false) world.fault(kind);
}

/** The weather clears, and everything that was accepted must come to its end. */
async function comeToRest(world: World): Promise<void> {
  const { checker, disk, requests, turns, weather } = world;
  disk.mend();
  weather.calm = true;
  await turns.pass(10_000);
  setPause(requests, false);
  for (const { quota } of checker.quotas.values()) if (quota.known) removeQuota(requests, quota.known);
  register(requests, { workerId: "last", capabilities: ["outside", "gpu"], maxConcurrent: 50 });
  for (
    let round = 0;
    round < CALM_ROUNDS && checker.model.live.size > 0 && checker.violations.length === 0;
    round++
  ) {
    claim(requests, "last", 50, 60_000, 0);
    await turns.pass(50);
    for (const lease of requests.leases.splice(0)) {
      const output = outputOf(lease.taskId, lease.token);
      finish(requests, lease, { kind: "completed", output }, "finish_completed");
    }
    // A clock that was set back, and a restart then, make a delay longer by as much.
    await turns.pass(Math.min(5_000, 500 * 2 ** round));
  }
  const left = [...checker.model.live].map(({ taskId, life }) => `${taskId} ${life.state}`);
  if (left.length > 0 && checker.violations.length === 0)
    checker.broken(`never come to their end: ${left.join(", ")}`);
}
