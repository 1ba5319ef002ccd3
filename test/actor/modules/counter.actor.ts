import { actor } from "../../../src/actor/index.ts";
import { fault } from "../../../src/errors/index.ts";
import { Counter } from "./counter.protocol.ts";

/** The tests' actor: a little of everything. */
export default actor(Counter, ({ emit, epoch, reportHealth }, { limit, gate }) => {
  let total = 0;
  let met: { name: string; tell: (names: string[]) => void }[] = [];
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
    bytes: ({ count }) => new Uint8Array(count).fill(7),
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
    meet: ({ name, size }) =>
      new Promise((tell) => {
        met.push({ name, tell });
        if (met.length < size) return;
        for (const each of met) each.tell(met.map((other) => other.name));
        met = [];
      }),
    trace: (_, { traceparent }) => traceparent ?? null,
    who: (_, { caller }) => caller,
    epoch: () => epoch,
    fail({ how }) {
      if (how === "late") return Promise.reject(new RangeError("a bug"));
      if (how === "fault") {
        const cause = new RangeError("underneath");
        throw fault("UNAVAILABLE", { what: "the counter", why: "a test says so" }, { cause });
      }
      if (how === "function") return (() => 1) as unknown as number;
      throw new RangeError("a bug");
    },
    explode({ how }) {
      if (how === "fault") throw fault("UNAVAILABLE", { what: "the counter", why: "a test says so" });
      throw new RangeError("a bug");
    },
    exit({ code }) {
      process.exit(code);
    },
    hold() {
      if (!gate) return;
      const words = new Int32Array(gate.buffer);
      Atomics.store(words, 1, 1);
      Atomics.notify(words, 1);
      Atomics.wait(words, 0, 0);
    },
    emit({ count }) {
      for (let sent = 0; sent < count; sent++) emit.tick();
    },
  };
});
