import { packValue } from "../../src/codec/index.ts";
import type { TaskSpec } from "../../src/queue/queue.protocol.ts";
import type { Random } from "../../src/scope/index.ts";
import { MODULE_ACTION } from "./pool.ts";
import type { Requests } from "./requests.ts";

export const OUTSIDE_ACTION = "outside";
export const TAGS = ["red", "green", "blue"];
const SHAPES = ["none", "fixed", "linear", "exponential"] as const;

/** What tasks may have, and the share of callers that give it to theirs. */
const SHARES = {
  priority: 0.7,
  timeoutMs: 0.5,
  attempts: 0.6,
  backoff: 0.3,
  group: 0.25,
  dependsOn: 0.35,
  onDependencyFailure: 0.4,
  deadlineMs: 0.3,
  delayMs: 0.12,
  idempotencyKey: 0.08,
  tags: 0.4,
  requires: 0.2,
} as const;
type Optional = keyof typeof SHARES;
/** Each gives the same to all its tasks, as callers do: messages of ever new shapes would take most of the time. */
const CALLERS = 8;
const NOBODY: Caller = new Set();

export type Caller = ReadonlySet<Optional>;

export function callersOf(random: Random): Caller[] {
  const names = Object.keys(SHARES) as Optional[];
  return Array.from({ length: CALLERS }, () => new Set(names.filter((name) => random.next() < SHARES[name])));
}

/** A task with an id of its own, which may depend on earlier ones. */
export function specOf(r: Requests, earlier: readonly TaskSpec[]): TaskSpec {
  const caller = r.pick(r.callers) ?? NOBODY;
  const taskId = `t${r.taskIds.length}`;
  r.taskIds.push(taskId);
  const kind = r.random.next();
  const others = [...earlier.map((each) => each.taskId), ...r.taskIds.slice(-12, -1)];
  const gone = [...r.checker.left];
  const key = `k${r.below(15)}`;
  const spec: { -readonly [Name in keyof TaskSpec]: TaskSpec[Name] } = {
    taskId,
    action: kind < 0.4 ? "echo" : kind < 0.72 ? MODULE_ACTION : OUTSIDE_ACTION,
    input: packValue(
      caller.has("idempotencyKey") ? { key: r.chance(0.9) ? key : "another" } : { n: r.below(64) },
    ),
  };
  if (caller.has("priority")) spec.priority = r.below(5);
  if (caller.has("timeoutMs")) spec.timeoutMs = 500 + r.below(3_000);
  if (caller.has("attempts")) spec.attempts = 1 + r.below(3);
  if (caller.has("backoff")) spec.backoff = backoffOf(r);
  if (caller.has("group")) spec.group = `g${r.below(4)}`;
  if (caller.has("dependsOn"))
    spec.dependsOn = Array.from(
      { length: 1 + r.below(2) },
      () => r.pick(r.chance(0.9) ? others : gone) ?? "nobody",
    );
  if (caller.has("onDependencyFailure")) spec.onDependencyFailure = "run";
  if (caller.has("deadlineMs")) spec.deadlineMs = Math.floor(r.clock.wallNow()) + r.below(10_000);
  if (caller.has("delayMs")) spec.delayMs = r.below(2_500);
  if (caller.has("idempotencyKey")) spec.idempotencyKey = key;
  if (caller.has("tags")) spec.tags = TAGS.filter(() => r.chance(0.5));
  if (caller.has("requires")) spec.requires = kind > 0.8 ? ["gpu"] : [];
  return spec;
}

function backoffOf(r: Requests): NonNullable<TaskSpec["backoff"]> {
  return {
    shape: r.pick(SHAPES) ?? "none",
    delayMs: r.below(800),
    maxDelayMs: 2_000,
    jitter: r.pick([0, 0.5]) ?? 0,
  };
}
