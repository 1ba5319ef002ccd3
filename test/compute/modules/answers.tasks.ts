import { z } from "zod";
import { Reference } from "../../../src/codec/index.ts";
import { defineTasks, handler } from "../../../src/compute/index.ts";
import { fault } from "../../../src/errors/index.ts";
import type { TaskLog } from "../../../src/compute/task-log.ts";

/** Handlers that answer in every way there is, without harming their thread. */

/** What a test hands to the handlers that look at their own thread. */
const hooks = (): { logFrom: () => TaskLog; noteEnd: () => void } =>
  (globalThis as unknown as { answersHooks: { logFrom: () => TaskLog; noteEnd: () => void } }).answersHooks;

const later = new EventTarget();
let counted = 0;

/** Runs in the handler's own context when `releaseLater` says so, and long after the handler has returned. */
const whenReleased = async (run: () => void, released: Promise<unknown>): Promise<void> => {
  await released;
  run();
};
const release = (): Promise<unknown> =>
  new Promise((resolve) => later.addEventListener("release", resolve, { once: true }));

const thrower = (make: () => unknown) =>
  handler({
    run: () => {
      throw make();
    },
  });

export default defineTasks({
  nothing: handler({ run: () => {} }),
  count: handler({ run: () => (counted += 1) }),
  checked: handler({
    input: z.strictObject({ text: z.string().default("abc") }),
    output: z.object({ length: z.number(), extra: z.string().default("from the schema") }),
    run: ({ text }) => ({ length: text === "bad" ? (text as unknown as number) : text.length }),
  }),
  aFunction: handler({ run: () => ({ rows: [() => {}] }) }),
  aCycle: handler({
    run: () => {
      const cycle: { self?: unknown } = {};
      cycle.self = cycle;
      return cycle;
    },
  }),
  aMap: handler({ run: () => new Map() }),
  throwError: thrower(() => new TypeError("no such row")),
  throwText: thrower(() => "just a text"),
  throwNothing: thrower(() => Object.create(null)),
  throwUnnamed: thrower(() => new Error("")),
  throwAbort: thrower(() => new DOMException("This operation was aborted", "AbortError")),
  throwCancelled: thrower(() => fault("CANCELLED", { what: "my own" })),
  throwFault: thrower(() => fault("FILE_UNREADABLE", { path: "a.csv", why: "row 3" })),
  throwOddFault: thrower(() => fault("FILE_UNREADABLE", { path: "a.csv", why: 1n as unknown as string })),
  progress: handler({
    run: (_input, { progress }) => {
      progress(0.5);
      progress(1, "done");
    },
  }),
  returnWhenStopped: handler({
    run: (_input, { signal }) =>
      new Promise((resolve) => signal.addEventListener("abort", () => resolve("half"), { once: true })),
  }),
  throwWhenStopped: handler({
    run: (_input, { signal }) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(new Error("half")), { once: true }),
      ),
  }),
  refer: handler({
    run: (input) => {
      const { sha256, sizeBytes } = input as { sha256: string; sizeBytes: number };
      return new Reference(sha256, sizeBytes);
    },
  }),
  keepTwo: handler({ run: async (_input, { keep }) => [await keep("a"), { inner: await keep("b") }] }),
  logNowAndLater: handler({
    run: () => {
      hooks().logFrom().write("info", "now");
      void whenReleased(() => hooks().logFrom().write("info", "later"), release());
    },
  }),
  endNow: handler({ run: () => hooks().noteEnd() }),
  endLater: handler({ run: () => void whenReleased(() => hooks().noteEnd(), release()) }),
  releaseLater: handler({
    run: async () => {
      later.dispatchEvent(new Event("release"));
      await new Promise(setImmediate);
    },
  }),
});
