import type { TaskOrder } from "./queue.protocol.ts";

/** With 0.7 and 0.3 as the weights of deadline and priority, a point of priority is worth so much of a deadline. */
const WEIGHT_MS = (0.7 / 0.3) * 1_000;
const HORIZON_MS = 3_600_000;

/** What an order looks at. */
export interface Urgency {
  readonly priority: number;
  readonly submittedAtMs: number;
  readonly deadlineMs: number | null;
}

/**
 * The key of a task by an order: two numbers, compared from the left, smaller first; the submission sequence comes
 * third. No key changes as the clock does: ageing adds the same to all who wait, so that only the time of submission
 * is left in the difference.
 */
export interface OrderKey {
  readonly first: number;
  readonly second: number;
}

export type KeyOf = (task: Urgency) => OrderKey;

/** @param order has passed `checkOrder` */
export function keysBy(order: TaskOrder): KeyOf {
  if (order.by === "fifo") return () => ({ first: 0, second: 0 });
  if (order.by === "deadline") {
    return ({ priority, deadlineMs }) => ({ first: deadlineMs ?? Infinity, second: -priority });
  }
  if (order.by === "priority") {
    const { ageingMs } = order;
    if (ageingMs === undefined) {
      return ({ priority, deadlineMs }) => ({ first: -priority, second: deadlineMs ?? Infinity });
    }
    return ({ priority, submittedAtMs, deadlineMs }) => ({
      first: submittedAtMs / ageingMs - priority,
      second: deadlineMs ?? Infinity,
    });
  }
  const { weightMs = WEIGHT_MS, horizonMs = HORIZON_MS } = order;
  return ({ priority, submittedAtMs, deadlineMs }) => ({
    first: (deadlineMs ?? submittedAtMs + horizonMs) - weightMs * priority,
    second: 0,
  });
}

export function isBefore(a: OrderKey, b: OrderKey): boolean {
  return a.first === b.first ? a.second < b.second : a.first < b.first;
}
