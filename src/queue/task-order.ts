import { LIMITS } from "../errors/index.ts";
import { checkNumber, invalidArgument } from "../schema/index.ts";
import type { TaskOrder } from "./queue.protocol.ts";

/** With 0.7 and 0.3 as the weights of deadline and priority, a point of priority is worth so much of a deadline. */
const WEIGHT_MS = (0.7 / 0.3) * 1_000;
const HORIZON_MS = 3_600_000;

/** What each order is tuned with, and the least number of milliseconds for it. */
const TUNING: Readonly<Record<TaskOrder["by"], Readonly<Record<string, number>>>> = {
  fifo: {},
  priority: { ageingMs: 1 },
  deadline: {},
  priority_deadline: { weightMs: 0, horizonMs: 1 },
};

/** @throws INVALID_ARGUMENT for an order or a tuning of it that does not exist, and for a number out of range */
export function checkOrder({ by, ...tuning }: TaskOrder): void {
  if (!Object.hasOwn(TUNING, by)) {
    const got = JSON.stringify(by) ?? "undefined";
    throw invalidArgument("order.by", got, `one of ${Object.keys(TUNING).join(", ")}`);
  }
  const known = new Map(Object.entries(TUNING[by]));
  for (const [name, value] of Object.entries<number | undefined>(tuning)) {
    const least = known.get(name);
    if (least === undefined) {
      const allowed = known.size === 0 ? "nothing beside it" : [...known.keys()].join(", ");
      throw invalidArgument(`order.${name}`, "unknown", `by ${by}, ${allowed}`);
    }
    if (value !== undefined) checkNumber(`order.${name}`, value, least, LIMITS.queue.delayMs);
  }
}

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

/** Tasks of equal urgency tend to share one key: it is compared by its numbers all the same. */
export type KeyOf = (task: Urgency) => OrderKey;

/** Keys that are remembered. Forgetting costs memory when they come again, nothing else. */
const KEYS_MAX = 1_000;

/** @param order has passed `checkOrder` */
export function keysBy(order: TaskOrder): KeyOf {
  if (order.by === "fifo") return () => FIFO_KEY;
  if (order.by === "deadline") {
    const undated = sharedKeys((negated) => ({ first: Infinity, second: negated }));
    return ({ priority, deadlineMs }) => {
      // Of zero this is 0, and not the -0 that only comparisons take for the same.
      const negated = 0 - priority;
      return deadlineMs === null ? undated(negated) : { first: deadlineMs, second: negated };
    };
  }
  if (order.by === "priority") {
    // Without ageing no time makes up for a point of priority.
    const { ageingMs = Infinity } = order;
    const undated = sharedKeys((first) => ({ first, second: Infinity }));
    return ({ priority, submittedAtMs, deadlineMs }) => {
      const first = submittedAtMs / ageingMs - priority;
      return deadlineMs === null ? undated(first) : { first, second: deadlineMs };
    };
  }
  const { weightMs = WEIGHT_MS, horizonMs = HORIZON_MS } = order;
  const virtual = sharedKeys((first) => ({ first, second: 0 }));
  return ({ priority, submittedAtMs, deadlineMs }) =>
    virtual((deadlineMs ?? submittedAtMs + horizonMs) - weightMs * priority);
}

const FIFO_KEY: OrderKey = { first: 0, second: 0 };

/** Keys that one number decides. */
function sharedKeys(make: (by: number) => OrderKey): (by: number) => OrderKey {
  const keys = new Map<number, OrderKey>();
  return (by) => {
    let key = keys.get(by);
    if (key === undefined) {
      if (keys.size >= KEYS_MAX) keys.clear();
      keys.set(by, (key = make(by)));
    }
    return key;
  };
}

export function isBefore(a: OrderKey, b: OrderKey): boolean {
  return a.first === b.first ? a.second < b.second : a.first < b.first;
}

export function isEqual(a: OrderKey, b: OrderKey): boolean {
  return a.first === b.first && a.second === b.second;
}
