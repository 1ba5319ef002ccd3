import { describe, expect, it } from "vitest";
import { Slots } from "../../src/compute/slots.ts";
import { createStopSignal, type StopSignal } from "../../src/compute/stop-signal.ts";
import { attemptRequest } from "./attempt-kit.ts";

function running(): { slots: Slots; stop: StopSignal } {
  const slots = Slots.allocate(1);
  slots.assign(0, 1, 0);
  slots.enter(0, 1, 1, 0);
  slots.begin(0, 1, 0);
  return { slots, stop: createStopSignal(slots, attemptRequest({ timeoutMs: 1_500 })) };
}

describe("the stop signal of an attempt", () => {
  it("lets an attempt pass that nobody stops", () => {
    const { slots, stop } = running();
    stop.checkpoint();
    expect(stop.signal().aborted).toBe(false);
    stop.signal().throwIfAborted();
    slots.end(0, 1);
    stop.end();
  });

  it("shows a computing loop the stop within the loop", () => {
    const { slots, stop } = running();
    const signal = stop.signal();
    let heard = 0;
    signal.addEventListener("abort", () => heard++);
    slots.stop(0, 1, "cancelled");
    expect(signal.aborted).toBe(true);
    expect(heard).toBe(1);
    expect(signal.reason).toMatchObject({ code: "CANCELLED", details: { what: 'task "t1"' } });
    expect(() => signal.throwIfAborted()).toThrow('task "t1" was cancelled');
    stop.end();
  });

  it("throws at every checkpoint once it is to stop, and aborts the signal there", () => {
    const { slots, stop } = running();
    const signal = stop.signal();
    let heard = 0;
    signal.addEventListener("abort", () => heard++);
    slots.stop(0, 1, "cancelled");
    for (let time = 0; time < 2; time++) {
      expect(() => stop.checkpoint()).toThrow(expect.objectContaining({ code: "CANCELLED" }));
    }
    expect(heard).toBe(1);
    stop.end();
  });

  it("throws at a checkpoint of a handler that never asked for the signal", () => {
    const { slots, stop } = running();
    slots.stop(0, 1, "cancelled");
    expect(() => stop.checkpoint()).toThrow(expect.objectContaining({ code: "CANCELLED" }));
  });

  it("wakes a waiting handler", async () => {
    const { slots, stop } = running();
    const { promise, resolve } = Promise.withResolvers<void>();
    stop.signal().addEventListener("abort", () => resolve());
    slots.stop(0, 1, "timedOut");
    await promise;
    expect(stop.signal().reason).toMatchObject({
      message: 'task "t1" was cancelled: its time of 1.5 s ran out',
    });
  });

  it("is one and the same signal, and joins with others", async () => {
    const { slots, stop } = running();
    expect(stop.signal()).toBe(stop.signal());
    const any = AbortSignal.any([stop.signal(), new AbortController().signal]);
    slots.stop(0, 1, "cancelled");
    stop.end();
    expect(any.aborted).toBe(true);
  });

  it("does not stop what an attempt that ended by itself left running", async () => {
    const { slots, stop } = running();
    const signal = stop.signal();
    slots.end(0, 1);
    stop.end();
    slots.release(0);
    await new Promise(setImmediate);
    stop.checkpoint();
    expect(signal.aborted).toBe(false);
  });

  it("goes on stopping what a stopped attempt left running, when its slot belongs to another", () => {
    const { slots, stop } = running();
    const signal = stop.signal();
    slots.stop(0, 1, "cancelled");
    stop.end();
    slots.assign(0, 2, 0);
    expect(signal.aborted).toBe(true);
    expect(() => stop.checkpoint()).toThrow(expect.objectContaining({ code: "CANCELLED" }));
  });
});
