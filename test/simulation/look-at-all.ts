import type { TaskStatus } from "../../src/queue/queue.protocol.ts";
import { hasEnded, isDeadLetter } from "./model.ts";
import type { QueueRef } from "./requests.ts";
import type { World } from "./world.ts";

const PAGE = 100;

/** At rest: what the queue says of all its tasks is what the model says, and nothing is left out. */
export async function lookAtAll(world: World): Promise<void> {
  const { checker, replies, requests, turns } = world;
  const { queue } = requests;
  if (!queue) return;
  const { model } = checker;
  const since = model.number;
  const seen = new Map<string, TaskStatus>();
  for (let offset = 0, count = 1; offset < count; offset += PAGE) {
    const page = await turns.until(queue.call.list({ filter: {}, offset, limit: PAGE }));
    count = page.total;
    for (const status of page.tasks) seen.set(status.taskId, status);
    // All at once: one after the other would take as many turns as all commands of the seed.
    await turns.until(Promise.all(page.tasks.map((status) => lookAtAttempts(world, queue, status))));
  }
  for (const task of model.tasks.values()) {
    const status = seen.get(task.taskId);
    if (!status) checker.broken(`${task.taskId}, which is ${task.life.state}, has vanished`);
    else if (!hasEnded(task)) checker.broken(`${task.taskId} has not ended: ${task.life.state}`);
    else replies.status(status, since);
  }
  for (const taskId of seen.keys())
    if (!model.tasks.has(taskId)) checker.broken(`${taskId} is there, and was never accepted`);
  for (const taskId of replies.accepted) {
    if (!seen.has(taskId) && !checker.left.has(taskId))
      checker.broken(`${taskId} was accepted, and is not there`);
  }
  await lookAtFigures(world, queue);
}

/** What is kept of its attempts adds up to what is counted. */
async function lookAtAttempts(
  { checker, replies }: World,
  queue: QueueRef,
  { taskId, state, attempt, attempts: most, interruptions }: TaskStatus,
): Promise<void> {
  if (attempt > most) checker.broken(`${taskId} had ${attempt} attempts of ${most}`);
  if (attempt + interruptions === 0) return;
  const [log, { attempts }] = await Promise.all([
    queue.call.logs({ taskId, offset: 0, limit: 100 }),
    queue.call.attempts({ taskId }),
  ]);
  replies.lines(taskId, log.lines);
  const failed = attempts.filter(({ kind }) => kind === "failed").length;
  const spent = state === "completed" ? attempt - 1 : attempt;
  const isCounted = failed === spent || (state === "cancelled" && failed === spent - 1);
  if (isCounted && attempts.length - failed === interruptions) return;
  const kinds = attempts.map(({ kind }) => kind).join();
  checker.broken(
    `${taskId} is ${state} after ${attempt} attempts and ${interruptions} interruptions; kept are [${kinds}]`,
  );
}

async function lookAtFigures({ checker, turns }: World, queue: QueueRef): Promise<void> {
  const tasks = [...checker.model.tasks.values()];
  const stats = await turns.until(queue.call.stats());
  const live = stats.queued + stats.running + stats.cancelling;
  const ended = stats.completed + stats.failed + stats.cancelled;
  if (live === 0 && ended === tasks.length && stats.deadLetters === tasks.filter(isDeadLetter).length) return;
  checker.broken(`the figures say ${live} live, ${ended} ended, ${stats.deadLetters} dead letters`);
}
