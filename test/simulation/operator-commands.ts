import type { LeaseEnd, Quota, WorkerSpec } from "../../src/queue/queue.protocol.ts";
import { Belief } from "./belief.ts";
import { keyOf } from "./checker.ts";
import { MODULE_ACTION, failureOf, outputOf } from "./pool.ts";
import type { Lease, Requests } from "./requests.ts";
import { OUTSIDE_ACTION, TAGS } from "./specs.ts";
import type { Command } from "./task-commands.ts";

const WORKERS = ["ann", "bob", "cyd"];
const CAPABILITIES = [OUTSIDE_ACTION, "gpu", "echo", MODULE_ACTION];

function quotaOf(r: Requests): Quota {
  const isTag = r.chance(0.6);
  const name = isTag ? (r.pick(TAGS) ?? "red") : (r.pick(["echo", MODULE_ACTION, OUTSIDE_ACTION]) ?? "echo");
  return {
    scope: isTag ? "tag" : "action",
    name,
    ...(r.chance(0.6) ? { concurrency: r.below(3) } : {}),
    ...(r.chance(0.25) ? { perSecond: 1 + r.below(5), burst: 1 + r.below(3) } : {}),
    ...(r.chance(0.25) ? { queued: 2 + r.below(8) } : {}),
    ...(isTag && r.chance(0.4) ? { weight: 1 + r.below(3) } : {}),
  };
}

function beliefOf(r: Requests, key: string): Belief<Quota | null> {
  const { quotas } = r.checker;
  const known = quotas.get(key) ?? { quota: new Belief<Quota | null>(null), starts: [] };
  quotas.set(key, known);
  return known.quota;
}

export function setPause(r: Requests, isPaused: boolean): void {
  if (r.busy.has("pause")) return;
  const { pause } = r.checker;
  pause.asked(isPaused);
  const answers = { reply: () => pause.granted(isPaused), refused: () => pause.refused() };
  if (isPaused)
    r.alone("pause", "pause", null, (queue, options) => queue.pause({ reason: "drill" }, options), answers);
  else r.alone("pause", "resume", null, (queue, options) => queue.resume(undefined, options), answers);
}

export function removeQuota(r: Requests, quota: Pick<Quota, "scope" | "name">): void {
  const key = keyOf(quota);
  if (r.busy.has(key)) return;
  const belief = beliefOf(r, key);
  belief.asked(null);
  const { scope, name } = quota;
  r.alone(key, "remove_quota", key, (queue, options) => queue.removeQuota({ scope, name }, options), {
    reply: () => belief.granted(null),
    refused: () => belief.refused(),
  });
}

export function register(r: Requests, worker: WorkerSpec): void {
  const { workerId } = worker;
  if (r.busy.has(workerId)) return;
  const { registered } = r.checker;
  const belief = registered.get(workerId) ?? new Belief(false);
  registered.set(workerId, belief);
  belief.asked(true);
  r.alone(workerId, "register", worker, (queue, options) => queue.registerWorker({ worker }, options), {
    reply: () => {
      belief.granted(true);
      r.workerIds.add(workerId);
    },
    refused: () => belief.refused(),
  });
}

export function claim(r: Requests, workerId: string, max: number, leaseMs: number, waitMs: number): void {
  r.send(
    "claim",
    { workerId, max, leaseMs },
    (queue, options) => queue.claim({ workerId, max, leaseMs, waitMs }, options),
    {
      reply: ({ leases }, since) => {
        for (const { taskId, token, attempt } of leases) {
          r.replies.started(taskId, token, attempt, since);
          r.leases.push({ workerId, taskId, token });
        }
      },
    },
  );
}

export function finish(r: Requests, lease: Lease, end: LeaseEnd, name: string): void {
  r.send(name, lease, (queue, options) => queue.finish({ ...lease, end }, options), {
    reply: () => r.replies.finished(lease.taskId, lease.token),
  });
}

/** A lease that its worker believes to have; it may have been lost long ago. */
function take(r: Requests): Lease | undefined {
  const lease = r.pick(r.leases);
  if (!lease) return undefined;
  r.leases = r.leases.filter((each) => each !== lease);
  r.oldLeases.push(lease);
  return lease;
}

const ending =
  (name: string, endOf: (lease: Lease) => LeaseEnd): Command =>
  (r) => {
    const lease = take(r);
    if (!lease) return;
    finish(r, lease, endOf(lease), name);
    // A worker that had no answer asks again.
    if (r.chance(0.1)) finish(r, lease, endOf(lease), name);
  };

const completedBy = ({ taskId, token }: Lease): LeaseEnd => ({
  kind: "completed",
  output: outputOf(taskId, token),
});

/** What operators and workers outside send. */
export const OPERATOR_COMMANDS: Readonly<Record<string, readonly [weight: number, Command]>> = {
  pause: [1, (r) => setPause(r, true)],
  resume: [2, (r) => setPause(r, false)],
  redrive: [
    1,
    (r) =>
      r.send(
        "redrive",
        null,
        (queue, options) => queue.redrive({ taskIds: null, filter: {}, limit: 3 }, options),
        {
          reply: ({ redriven }) => {
            for (const { newTaskId } of redriven) {
              r.taskIds.push(newTaskId);
              r.replies.made(newTaskId);
            }
          },
        },
      ),
  ],
  purge: [
    1,
    (r) =>
      removing(r, "purge", (queue, options) =>
        queue.purge({ taskIds: null, filter: { priorityMin: 3 } }, options),
      ),
  ],
  clear: [
    0.6,
    (r) => {
      const states = [r.pick(["queued", "completed", "cancelled", "failed"] as const) ?? "queued"];
      removing(r, "clear", (queue, options) => queue.clear({ states }, options));
    },
  ],
  set_quota: [
    3,
    (r) => {
      const quota = quotaOf(r);
      const key = keyOf(quota);
      if (r.busy.has(key)) return;
      const belief = beliefOf(r, key);
      belief.asked(quota);
      r.alone(key, "set_quota", quota, (queue, options) => queue.setQuota({ quota }, options), {
        reply: () => {
          belief.granted(quota);
          const known = r.checker.quotas.get(key);
          if (known) known.starts = [];
        },
        refused: () => belief.refused(),
      });
    },
  ],
  remove_quota: [
    3,
    (r) => {
      const quota = r.pick([...r.checker.quotas.values()])?.quota.known;
      if (quota) removeQuota(r, quota);
    },
  ],
  quotas: [
    1,
    (r) =>
      r.send("quotas", null, (queue, options) => queue.quotas(undefined, options), {
        reply: ({ quotas }, since) => r.replies.quotas(quotas, since),
      }),
  ],
  stats: [
    2,
    (r) =>
      r.send("stats", null, (queue, options) => queue.stats(undefined, options), {
        reply: (stats, since) => r.replies.stats(stats, since),
      }),
  ],
  workers: [
    1,
    (r) =>
      r.send("workers", null, (queue, options) => queue.workers(undefined, options), {
        reply: ({ workers }, since) => {
          r.replies.workers(workers, since);
          for (const { workerId, state } of workers) {
            const isWanted = r.checker.registered.get(workerId)?.known === true && !r.busy.has(workerId);
            if (isWanted && state === "draining")
              r.checker.broken(`${workerId} drains, and nobody wants it to`);
          }
        },
      }),
  ],
  register: [
    4,
    (r) =>
      register(r, {
        workerId: r.pick(WORKERS) ?? "ann",
        capabilities: CAPABILITIES.filter((_, index) => index === 0 || r.chance(0.5)),
        maxConcurrent: 1 + r.below(4),
      }),
  ],
  unregister: [
    1,
    (r) => {
      const workerId = r.pick([...r.workerIds]);
      if (workerId === undefined || r.busy.has(workerId)) return;
      const belief = r.checker.registered.get(workerId);
      belief?.asked(false);
      const terms = { workerId, graceful: r.chance(0.5), timeoutMs: r.below(2_000) };
      r.alone(workerId, "unregister", terms, (queue, options) => queue.unregisterWorker(terms, options), {
        reply: () => {
          belief?.granted(false);
          r.workerIds.delete(workerId);
        },
        refused: () => belief?.refused(),
      });
    },
  ],
  claim: [
    10,
    (r) => {
      const workerId = r.pick([...r.workerIds]);
      if (workerId === undefined) return;
      claim(r, workerId, 1 + r.below(3), 200 + r.below(4_000), r.chance(0.4) ? r.below(3_000) : 0);
    },
  ],
  renew: [
    3,
    (r) => {
      const lease = r.pick(r.leases);
      if (!lease) return;
      const { workerId } = lease;
      const leases = r.leases.filter((each) => each.workerId === workerId);
      const leaseMs = 500 + r.below(4_000);
      r.send(
        "renew",
        { workerId, leaseMs },
        (queue, options) => queue.renew({ workerId, leases, leaseMs }, options),
        {
          reply: ({ lost }) => {
            r.leases = r.leases.filter((each) => each.workerId !== workerId || !lost.includes(each.taskId));
          },
        },
      );
    },
  ],
  report: [
    1,
    (r) => {
      const lease = r.pick(r.leases);
      if (!lease) return;
      r.send("report", lease, (queue, options) =>
        queue.report({ ...lease, progress: 0.5, message: "half" }, options),
      );
    },
  ],
  finish_completed: [7, ending("finish_completed", completedBy)],
  finish_failed: [3, ending("finish_failed", ({ taskId }) => ({ kind: "failed", error: failureOf(taskId) }))],
  finish_returned: [1, ending("finish_returned", () => ({ kind: "returned" }))],
  finish_late: [
    4,
    (r) => {
      const lease = r.pick(r.oldLeases.slice(-20));
      if (!lease) return;
      finish(r, lease, completedBy(lease), "finish_late");
    },
  ],
};

function removing<T>(r: Requests, name: string, call: Parameters<typeof r.send<T>>[2]): void {
  const { checker } = r;
  checker.removals += 1;
  // Whoever is gone does not see the end of it; with the queue's life it is over.
  const over = (): void => void (checker.removals = Math.max(0, checker.removals - 1));
  r.send(name, null, call, { reply: over, refused: over });
}
