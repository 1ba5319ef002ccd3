import type { Lane, Lanes } from "./lanes.ts";
import type { Blocker, Explanation, TaskOrder } from "./queue.protocol.ts";
import { hasEnded, runsBefore, type Task } from "./task.ts";
import type { Worker } from "./workers.ts";

/** What an explanation looks at. */
export interface ExplanationView {
  readonly pause: { readonly sinceMs: number; readonly reason: string } | null;
  readonly order: TaskOrder;
  readonly workers: readonly Worker[];
  readonly lanes: Lanes;
  /** Tasks ahead of it are counted up to this. */
  readonly aheadMax: number;
  readonly nowMs: number;
}

/** Why a task is not running: everything that holds it now, in the order in which the queue asks. */
export function explainTask(task: Task, view: ExplanationView): Explanation {
  const blockers = hasEnded(task) || task.life.state !== "queued" ? [stateOf(task)] : blockersOf(task, view);
  return {
    taskId: task.taskId,
    blockers,
    ordering: {
      by: view.order.by,
      key: [task.key.first, task.key.second, task.sequence],
      inheritedFrom: task.heir?.taskId ?? null,
    },
    sentences: blockers.map(sentenceOf),
  };
}

function stateOf(task: Task): Blocker {
  const { state, workerId } = task.life;
  return hasEnded(task) ? { cause: "ended", state } : { cause: "running", workerId: workerId ?? "", state };
}

function blockersOf(task: Task, view: ExplanationView): Blocker[] {
  const lane = view.lanes.of(task.terms);
  const own = [...waitsOf(task, view.nowMs), ...pauseOf(view)];
  const { blockers: workers, takers } = workersOf(lane, view);
  const held = [...own, ...workers, ...quotasOf(lane, view.nowMs)];
  // Who is ahead matters only to a task that could otherwise start.
  return held.length > 0 ? held : rivalsOf(task, lane, takers, view);
}

function waitsOf({ ties, life }: Task, nowMs: number): Blocker[] {
  const waits: Blocker[] = [];
  if (ties !== null && ties.blockers.size > 0) {
    waits.push({ cause: "dependency", taskIds: Array.from(ties.blockers, ({ taskId }) => taskId) });
  }
  const { notBeforeMs: untilMs, attempt } = life;
  if (untilMs !== null && untilMs > nowMs) {
    waits.push(attempt === 0 ? { cause: "delay", untilMs } : { cause: "backoff", untilMs, attempt });
  }
  return waits;
}

const pauseOf = ({ pause }: ExplanationView): Blocker[] =>
  pause === null ? [] : [{ cause: "paused", ...pause }];

function workersOf(
  lane: Lane,
  { workers, nowMs }: ExplanationView,
): { blockers: Blocker[]; takers: Worker[] } {
  const able = workers.filter((worker) => worker.can(lane) && !worker.runsNothing);
  const present = able.filter((worker) => !worker.draining && !worker.isOffline(nowMs));
  const takers = present.filter((worker) => worker.hasRoom(lane));
  if (takers.length > 0) return { blockers: [], takers };
  const ids = (some: readonly Worker[]): string[] => some.map(({ workerId }) => workerId);
  if (present.length > 0) return { blockers: [{ cause: "worker_busy", workerIds: ids(present) }], takers };
  const draining = able.filter((worker) => worker.draining);
  if (draining.length > 0)
    return { blockers: [{ cause: "worker_draining", workerIds: ids(draining) }], takers };
  if (able.length > 0) return { blockers: [{ cause: "worker_offline", workerIds: ids(able) }], takers };
  // Which actions the handlers of the next owner have is not known here; what a task requires none of them has.
  if (lane.requires.length === 0 && workers.some((worker) => worker.runsNothing))
    return { blockers: [{ cause: "idle" }], takers };
  const needs = lane.place === "elsewhere" ? [lane.action, ...lane.requires] : lane.requires;
  return { blockers: [{ cause: "no_worker", needs }], takers };
}

function quotasOf(lane: Lane, nowMs: number): Blocker[] {
  const blockers: Blocker[] = [];
  for (const use of lane.quotas) {
    const { scope, name, concurrency = Infinity } = use.quota;
    if (!use.isFree) blockers.push({ cause: "quota_concurrency", scope, name, limit: concurrency });
    const untilMs = use.allowedAtMs(nowMs);
    if (untilMs > nowMs) blockers.push({ cause: "quota_rate", scope, name, untilMs });
  }
  return blockers;
}

function rivalsOf(task: Task, lane: Lane, takers: readonly Worker[], view: ExplanationView): Blocker[] {
  let next: ReturnType<Lanes["next"]>;
  for (const taker of takers) {
    const given = view.lanes.next(view.nowMs, (other) => taker.can(other) && taker.hasRoom(other));
    // This one would start it now, whatever comes first for others.
    if (!given || given.task === task) return [];
    next ??= given;
  }
  if (!next) return [];
  // Shares that stand equal leave it to the order.
  if (next.lane.share.pass !== lane.share.pass) {
    return [{ cause: "share", tag: lane.share.tag, before: next.lane.share.tag }];
  }
  // The task stands in its lane, so whoever is next by the order runs before it.
  const first = runsBefore(next.task, task) ? next.task : (lane.ready.peek() ?? next.task);
  return [{ cause: "order", ahead: view.lanes.countBefore(task, view.aheadMax), next: first.taskId }];
}

const named = (ids: readonly string[]): string =>
  ids.slice(0, 5).join(", ") + (ids.length > 5 ? ` and ${ids.length - 5} more` : "");
const atTime = (ms: number): string => new Date(ms).toISOString();

type Sentences = {
  readonly [Cause in Blocker["cause"]]: (blocker: Extract<Blocker, { readonly cause: Cause }>) => string;
};

const SENTENCES: Sentences = {
  ended: (blocker) => `it has ended: ${blocker.state}`,
  running: (blocker) => `it is ${blocker.state} on worker ${blocker.workerId}`,
  dependency: (blocker) => `it waits for ${named(blocker.taskIds)} to complete`,
  delay: (blocker) => `it was submitted with a delay until ${atTime(blocker.untilMs)}`,
  backoff: (blocker) =>
    `attempt ${blocker.attempt} failed, and the next may start at ${atTime(blocker.untilMs)}`,
  paused: (blocker) =>
    `the queue is paused since ${atTime(blocker.sinceMs)}${blocker.reason ? `: ${blocker.reason}` : ""}`,
  idle: () =>
    "nothing that runs handlers has its data directory open: start `mcplusplus mcp --tasks <module>`, " +
    "`mcplusplus task submit … --wait`, or a program that opens it",
  no_worker: (blocker) => `no worker is registered that can do ${named(blocker.needs)}`,
  worker_draining: (blocker) => `the workers that can do it take no more tasks: ${named(blocker.workerIds)}`,
  worker_offline: (blocker) => `the workers that can do it are silent: ${named(blocker.workerIds)}`,
  worker_busy: (blocker) => `the workers that can do it have no room: ${named(blocker.workerIds)}`,
  quota_concurrency: (blocker) =>
    `the quota of the ${blocker.scope} "${blocker.name}" allows ` +
    (blocker.limit === 0 ? "none to run" : `${blocker.limit} at once, and they run`),
  quota_rate: (blocker) =>
    `the rate of the ${blocker.scope} "${blocker.name}" allows the next start at ${atTime(blocker.untilMs)}`,
  share: (blocker) =>
    `it is the turn of ${blocker.before === "" ? "tasks without a weighted tag" : `tasks with the tag "${blocker.before}"`}`,
  order: ({ ahead, next }) =>
    `${ahead} ${ahead === 1 ? "task is" : "tasks are"} ahead of it; the next is ${next}`,
};

function sentenceOf<B extends Blocker>(blocker: B): string {
  // The row of a cause takes blockers of that cause.
  const sentence = SENTENCES[blocker.cause] as (blocker: Blocker) => string;
  return sentence(blocker);
}
