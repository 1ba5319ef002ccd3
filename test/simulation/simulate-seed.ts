import type { TaskStatus } from "../../src/queue/queue.protocol.ts";
import { WORLD_FAULTS } from "./faults.ts";
import { hasEnded, isDeadLetter } from "./model.ts";
import { claim, finish, register, removeQuota, setPause } from "./operator-commands.ts";
import { outputOf } from "./pool.ts";
import { total, type Counts, type FaultKind } from "./tally.ts";
import { COMMANDS, World, type WorldOptions } from "./world.ts";

/** Every seed gives at least so many commands, and meets at least so many faults. */
export const COMMANDS_MIN = 200;
export const FAULTS_MIN = 5;
/** After so much calm whatever was accepted has ended. */
const CALM_ROUNDS = 150;

export interface SeedResult {
  readonly seed: number;
  /** Broken laws; empty when all is well. */
  readonly violations: readonly string[];
  /** The latest of what happened before the first of them. */
  readonly lines: readonly string[];
  readonly counts: Counts;
  readonly traceHash: string;
}

/** A life of the queue under commands and faults that one number decides, all of it checked. */
export async function simulateSeed(options: WorldOptions): Promise<SeedResult> {
  const world = await World.open(options);
  const { checker, counts, requests, turns } = world;
  const isOver = (): boolean => checker.violations.length > 0;
  let lines: readonly string[] = [];
  const defects = catchDefects((error) => checker.broken(textOf(error)));
  try {
    while (!isOver() && (total(counts.commands) < COMMANDS_MIN || total(counts.faults) < FAULTS_MIN)) {
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
  lines = world.lines;
  if (world.disk.ghosts > 0 && !isOver()) checker.broken("a life that was over wanted to write");
  const { violations } = checker;
  const found = [...violations];
  const traceHash = await world.close();
  defects.restore();
  return { seed: options.seed, violations: found, lines, counts, traceHash };
}

const textOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

/** A defect that would end the queue's thread has none to end here: it is caught before it ends this one. */
function catchDefects(onDefect: (error: unknown) => void): { restore: () => void } {
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
    await turns.pass(round < 20 ? 500 : 5_000);
  }
  const left = [...checker.model.live].map(({ taskId, life }) => `${taskId} ${life.state}`);
  if (left.length > 0 && checker.violations.length === 0)
    checker.broken(`never come to their end: ${left.join(", ")}`);
}

/** What the queue says of all its tasks is what the model says, and nothing is left out. */
async function lookAtAll({ checker, replies, requests, turns }: World): Promise<void> {
  const { queue } = requests;
  if (!queue) return;
  const { model } = checker;
  const since = model.number;
  const seen = new Map<string, TaskStatus>();
  for (let offset = 0, count = 1; offset < count; offset += 100) {
    const page = await turns.until(queue.call.list({ filter: {}, offset, limit: 100 }));
    count = page.total;
    for (const status of page.tasks) seen.set(status.taskId, status);
  }
  let deadLetters = 0;
  for (const task of model.tasks.values()) {
    const status = seen.get(task.taskId);
    if (!status) {
      checker.broken(`${task.taskId}, which is ${task.life.state}, has vanished`);
      continue;
    }
    if (isDeadLetter(task)) deadLetters += 1;
    if (!hasEnded(task)) checker.broken(`${task.taskId} has not ended: ${task.life.state}`);
    replies.status(status, since);
    if (status.attempt > status.attempts)
      checker.broken(`${task.taskId} had ${status.attempt} attempts of ${status.attempts}`);
    if (status.attempt + status.interruptions === 0) continue;
    const { attempts } = await turns.until(queue.call.attempts({ taskId: task.taskId }));
    const failed = attempts.filter(({ kind }) => kind === "failed").length;
    const spent = status.state === "completed" ? status.attempt - 1 : status.attempt;
    const isCounted = failed === spent || (status.state === "cancelled" && failed === spent - 1);
    if (!isCounted || attempts.length - failed !== status.interruptions) {
      const kinds = attempts.map(({ kind }) => kind).join();
      checker.broken(
        `${task.taskId} is ${status.state} after ${status.attempt} attempts and ${status.interruptions} interruptions; kept are [${kinds}]`,
      );
    }
  }
  for (const taskId of seen.keys())
    if (!model.tasks.has(taskId)) checker.broken(`${taskId} is there, and was never accepted`);
  for (const taskId of replies.accepted) {
    if (!seen.has(taskId) && !checker.left.has(taskId))
      checker.broken(`${taskId} was accepted, and is not there`);
  }
  const stats = await turns.until(queue.call.stats());
  const live = stats.queued + stats.running + stats.cancelling;
  const ended = stats.completed + stats.failed + stats.cancelled;
  if (live !== 0 || ended !== model.tasks.size || stats.deadLetters !== deadLetters) {
    checker.broken(`the figures say ${live} live, ${ended} ended, ${stats.deadLetters} dead letters`);
  }
}
