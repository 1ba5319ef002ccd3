import { describe, expect, it } from "vitest";
import { unlessAborted } from "../../src/scope/index.ts";

describe("work that cannot be cut off", () => {
  it("is waited for, and its own failure is told", async () => {
    const { signal } = new AbortController();
    expect(await unlessAborted(Promise.resolve(7), signal)).toBe(7);
    await expect(unlessAborted(Promise.reject(new Error("no")), signal)).rejects.toThrow("no");
  });

  it("is left to itself when the signal aborts, before or while it is waited for", async () => {
    const controller = new AbortController();
    const work = Promise.withResolvers<never>();
    const waiting = unlessAborted(work.promise, controller.signal);
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(unlessAborted(work.promise, controller.signal)).rejects.toBe(reason);
    // Nobody hears of it any more, and it is no unhandled rejection either.
    work.reject(new Error("too late"));
  });
});
