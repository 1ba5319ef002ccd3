import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { linkSignals } from "../../src/scope/index.ts";

const listeners = (...controllers: AbortController[]): number[] =>
  controllers.map(({ signal }) => getEventListeners(signal, "abort").length);

describe("linked signals", () => {
  it("call once, with the signal that aborted first, and leave no listener behind", () => {
    const [a, b] = [new AbortController(), new AbortController()];
    const called: AbortSignal[] = [];
    linkSignals([a.signal, b.signal], (signal) => called.push(signal));
    expect(listeners(a, b)).toEqual([1, 1]);
    b.abort();
    expect(listeners(a, b)).toEqual([0, 0]);
    a.abort();
    expect(called).toEqual([b.signal]);
  });

  it("call at once when one has aborted already, and listen to none", () => {
    const [a, b] = [new AbortController(), new AbortController()];
    b.abort();
    const called: AbortSignal[] = [];
    const unlink = linkSignals([a.signal, b.signal], (signal) => called.push(signal));
    expect(called).toEqual([b.signal]);
    expect(listeners(a, b)).toEqual([0, 0]);
    unlink();
  });

  it("are let go for good by unlinking, once or twice", () => {
    const a = new AbortController();
    let calls = 0;
    const unlink = linkSignals([a.signal], () => calls++);
    unlink();
    unlink();
    expect(listeners(a)).toEqual([0]);
    a.abort();
    expect(calls).toBe(0);
  });

  it("tells which signal aborted, also when somebody else listens to it", () => {
    const a = new AbortController();
    const called: AbortSignal[] = [];
    a.signal.addEventListener("abort", () => undefined);
    linkSignals([a.signal], (signal) => called.push(signal));
    linkSignals([a.signal], (signal) => called.push(signal));
    a.abort();
    expect(called).toEqual([a.signal, a.signal]);
  });
});
