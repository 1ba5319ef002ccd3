import { actor } from "../../../src/actor/index.ts";
import { fault } from "../../../src/errors/index.ts";
import { Counter } from "./counter.protocol.ts";

/** The tests' actor: a little of everything. */
export default actor(Counter, ({ emit, reportHealth }, { limit }) => {
  let total = 0;
  const notes: string[] = [];
  const aborted: string[] = [];
  reportHealth(() => ({ total }));
  return {
    add({ by }) {
      total += by;
      if (total > limit) emit.overflowed({ total });
      return total;
    },
    total: () => total,
    echo: (message) => message,
    reset() {
      total = 0;
    },
    note({ text }) {
      notes.push(text);
    },
    notes: () => notes,
    wait: (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          aborted.push((signal.reason as { code: string }).code);
          reject(signal.reason as Error);
        });
      }),
    aborted: () => aborted,
    trace: (_, { traceparent }) => traceparent ?? null,
    fail({ how }) {
      if (how === "fault") throw fault("UNAVAILABLE", { what: "the counter", why: "a test says so" });
      if (how === "defect") throw new RangeError("a bug");
      return (() => 1) as unknown as number;
    },
    exit() {
      process.exit(7);
    },
  };
});
