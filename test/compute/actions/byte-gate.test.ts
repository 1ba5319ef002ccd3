import { describe, expect, it } from "vitest";
import { ByteGate } from "../../../src/compute/actions/byte-gate.ts";
import { microtasksDrained } from "../../kit/microtasks.ts";

/** Whoever passes a gate, in the order in which they do, and how they leave. */
function openKit(limitBytes: number): {
  readonly entered: string[];
  readonly enter: (name: string, bytes: number, signal?: AbortSignal) => Promise<void>;
  readonly leave: (name: string) => Promise<void>;
} {
  const gate = new ByteGate(limitBytes);
  const entered: string[] = [];
  const stays = new Map<string, PromiseWithResolvers<void>>();
  return {
    entered,
    async enter(name, bytes, signal = new AbortController().signal) {
      const stay = Promise.withResolvers<void>();
      stays.set(name, stay);
      await gate.hold(bytes, signal, () => {
        entered.push(name);
        return stay.promise;
      });
    },
    async leave(name) {
      stays.get(name)?.resolve();
      await microtasksDrained();
    },
  };
}

describe("a byte gate", () => {
  it("lets as many bytes in as fit, and the next ones when somebody leaves", async () => {
    const { enter, leave, entered } = openKit(10);
    const all = [enter("a", 6), enter("b", 4), enter("c", 1)];
    await microtasksDrained();
    expect(entered).toEqual(["a", "b"]);
    await leave("b");
    expect(entered).toEqual(["a", "b", "c"]);
    for (const name of ["a", "c"]) await leave(name);
    await Promise.all(all);
  });

  it("lets nobody pass who came later, however little they ask for", async () => {
    const { enter, leave, entered } = openKit(10);
    const all = [enter("a", 6), enter("large", 8), enter("small", 1)];
    await microtasksDrained();
    expect(entered).toEqual(["a"]);
    await leave("a");
    expect(entered).toEqual(["a", "large", "small"]);
    for (const name of ["large", "small"]) await leave(name);
    await Promise.all(all);
  });

  it("lets whoever asks for more than there is pass alone", async () => {
    const { enter, leave, entered } = openKit(10);
    const all = [enter("huge", 1_000), enter("b", 1)];
    await microtasksDrained();
    expect(entered).toEqual(["huge"]);
    await leave("huge");
    expect(entered).toEqual(["huge", "b"]);
    await leave("b");
    await Promise.all(all);
  });

  it("sends those away who are aborted while they wait, and lets the next ones in", async () => {
    const { enter, leave, entered } = openKit(10);
    const abort = new AbortController();
    const first = enter("a", 6);
    const waiting = enter("large", 8, abort.signal);
    const last = enter("small", 1);
    await microtasksDrained();
    abort.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    expect(entered).toEqual(["a", "small"]);
    await expect(enter("late", 1, abort.signal)).rejects.toThrow("enough");
    for (const name of ["a", "small"]) await leave(name);
    await Promise.all([first, last]);
  });

  it("makes room also for what failed", async () => {
    const gate = new ByteGate(1);
    const { signal } = new AbortController();
    await expect(gate.hold(1, signal, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await gate.hold(1, signal, () => Promise.resolve("in"))).toBe("in");
  });
});
