import { createHook } from "node:async_hooks";
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { beforeEach } from "vitest";

export interface LeakCheck {
  /**
   * What is there now and was not when the check was opened, one sentence each; empty when everything is gone. Waits
   * for what is going away, for 250 ms at most.
   */
  leaks(): Promise<string[]>;
}

/**
 * Ending a thread, a socket or a file takes the event loop some turns, and Node offers no event for "all closed". So
 * the check looks again until nothing is left; a test without leaks pays for one look.
 */
const LOOKS_MAX = 50;
const BETWEEN_LOOKS_MS = 5;

/**
 * Every timer by its async id, with the stack of whoever set it. Node's own list of active resources leaves out
 * unreferenced timers, which all timers of the system clock are.
 */
const timers = new Map<number, Error>();
/** A running worker thread appears in no list of Node's at all. */
const threads = new Set<Worker>();

let tracking = false;

function track(): void {
  if (tracking) return;
  tracking = true;
  createHook({
    // Following promises as well would make every await ten times as expensive.
    trackPromises: false,
    init: (id, type) => void (type === "Timeout" && timers.set(id, new Error("set here"))),
    destroy: (id) => void timers.delete(id),
  }).enable();
  process.on("worker", (worker) => {
    threads.add(worker);
    worker.once("exit", () => threads.delete(worker));
  });
}

/** The first frame outside of Node and of this file: `async_hooks` calls us from within the setting of the timer. */
function setter({ stack = "" }: Error): string {
  const frames = stack.split("\n").slice(1);
  const frame = frames.find((line) => !line.includes("node:") && !line.includes(import.meta.filename));
  return frame?.trim().replace(/^at /, "") ?? "Node itself";
}

/** The test runner sets timers of its own while a test runs, for time-outs and reports. */
const isOfRunner = (place: string): boolean => /node_modules\/(@vitest|vitest)\//.test(place);

/** Handles and requests by kind. Referenced timers are tracked above; an immediate ends with the turn. */
function resources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (kind !== "Timeout" && kind !== "Immediate") counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

/** Remembers what is there now: timers, worker threads, and everything that Node counts as an active resource. */
export function openLeakCheck(): LeakCheck {
  track();
  const timersBefore = new Set(timers.keys());
  const threadsBefore = new Set(threads);
  const resourcesBefore = resources();

  const added = (): string[] => [
    ...[...timers]
      .filter(([id]) => !timersBefore.has(id))
      .map(([, error]) => setter(error))
      .filter((place) => !isOfRunner(place))
      .map((place) => `a timer set by ${place}`),
    ...[...threads]
      .filter((thread) => !threadsBefore.has(thread))
      .map(({ threadId }) => `worker thread ${threadId}`),
    ...[...resources()]
      .map(([kind, count]) => ({ kind, more: count - (resourcesBefore.get(kind) ?? 0) }))
      .filter(({ more }) => more > 0)
      .map(({ kind, more }) => `${more} ${kind}`),
  ];

  return {
    async leaks() {
      for (let look = 1; look < LOOKS_MAX; look++) {
        // Node reports the end of a timer one turn later.
        await nextTurn();
        if (added().length === 0) return [];
        await pause(BETWEEN_LOOKS_MS);
      }
      await nextTurn();
      return added();
    },
  };
}

interface TestContext {
  readonly onTestFinished: (check: () => Promise<void>) => void;
}

/**
 * Fails every test of this file, or of this `describe`, that leaves a worker thread, a timer or a handle behind. Call
 * it first: the check of what is registered first runs last, after every `afterEach` and `onTestFinished` of the test.
 *
 * Not for concurrent tests: one would be blamed for what another is using.
 *
 * @param each Where the set-up is registered; only the kit's own tests hand in anything.
 */
export function failOnLeaks(each: (setUp: (context: TestContext) => void) => void = beforeEach): void {
  each(({ onTestFinished }) => {
    const check = openLeakCheck();
    onTestFinished(async () => {
      const leaks = await check.leaks();
      if (leaks.length > 0) throw new Error(`the test left something behind: ${leaks.join("; ")}`);
    });
  });
}
