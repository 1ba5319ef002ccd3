import { describe, expect, it } from "vitest";
import { failOnLeaks } from "../kit/leak-check.ts";
import { PLACEMENTS, openStage } from "./stage.ts";

failOnLeaks();

describe.each(PLACEMENTS)("the death of an actor that lives %s", (placement) => {
  it("rejects the calls in flight with ACTOR_RESTARTING, and the same ref reaches the next life", async () => {
    const { counter, drive, supervisor } = await openStage(placement);
    await drive(counter.call.add({ by: 5 }));
    const inFlight = Promise.allSettled([counter.call.wait(), counter.call.wait()]);
    await drive(counter.call.total());
    await drive(supervisor.kill("counter"));
    expect(await drive(inFlight)).toMatchObject([
      { reason: { code: "ACTOR_RESTARTING", retryable: true } },
      { reason: { code: "ACTOR_RESTARTING" } },
    ]);
    await drive(counter.ready());
    expect(await drive(counter.call.total()), "state is the life's").toBe(0);
    expect(await drive(counter.call.epoch())).toBe(2);
  });

  it("refuses calls and casts until the next life is up, and sends nothing", async () => {
    const { counter, drive, supervisor, eventually } = await openStage(placement);
    const killing = supervisor.kill("counter");
    if (placement === "thread") await killing;
    await expect(counter.call.add({ by: 1 })).rejects.toMatchObject({ code: "ACTOR_RESTARTING" });
    expect(counter.cast.note({ text: "lost" })).toBe(false);
    await drive(killing);
    expect(await eventually(() => counter.call.notes())).toEqual([]);
  });

  it("is caused by a defect in a call's handler, whose caller gets DEFECT", async () => {
    const { counter, drive, eventually } = await openStage(placement);
    for (const [how, epoch] of [
      ["defect", 2],
      ["late", 3],
    ] as const) {
      await expect(drive(counter.call.fail({ how }))).rejects.toMatchObject({
        code: "DEFECT",
        details: { name: "RangeError", text: "a bug" },
      });
      expect(await eventually(() => counter.call.epoch())).toBe(epoch);
    }
  });

  it("is caused by a defect in a cast's handler, though nobody waits for it", async () => {
    const { counter, drive, eventually } = await openStage(placement);
    await drive(counter.call.add({ by: 5 }));
    counter.cast.explode({ how: "fault" });
    expect(await drive(counter.call.total()), "a fault is no defect").toBe(5);
    counter.cast.explode({ how: "defect" });
    expect(await eventually(() => counter.call.total())).toBe(0);
    expect(await drive(counter.call.epoch())).toBe(2);
  });

  it("comes at once: messages that came with the fatal one meet no state that is in doubt", async () => {
    const { counter, drive } = await openStage(placement);
    const calls = [
      counter.call.add({ by: 1 }),
      counter.call.fail({ how: "defect" }),
      counter.call.add({ by: 1 }),
    ];
    expect(await drive(Promise.allSettled(calls))).toMatchObject([
      { value: 1 },
      { reason: { code: "DEFECT" } },
      { reason: { code: "ACTOR_RESTARTING" } },
    ]);
  });

  it("makes who waits for readiness wait for the next life, unless the signal aborts", async () => {
    const { counter, drive, supervisor } = await openStage(placement);
    const killing = supervisor.kill("counter");
    if (placement === "thread") await killing;
    const reason = new Error("no patience");
    const controller = new AbortController();
    const patient = counter.ready({ signal: new AbortController().signal });
    const impatient = counter.ready({ signal: controller.signal });
    const hopeless = counter.ready({ signal: AbortSignal.abort(reason) });
    controller.abort(reason);
    expect(await Promise.allSettled([impatient, hopeless])).toMatchObject([
      { reason: { code: "CANCELLED", cause: reason } },
      { reason: { code: "CANCELLED", cause: reason } },
    ]);
    await drive(patient);
    await drive(killing);
    await drive(counter.writable());
  });

  it("for good rejects the calls in flight and everything after with a reason that is not retryable", async () => {
    const { counter, drive, supervisor } = await openStage(placement);
    const waiting = counter.call.wait().catch((error: unknown) => error);
    await drive(counter.call.total());
    await drive(supervisor.stopChild("counter"));
    expect(await drive(waiting)).toMatchObject({ code: "ACTOR_RESTARTING" });
    await expect(counter.call.total()).rejects.toMatchObject({ code: "ACTOR_STOPPED", retryable: false });
    await expect(counter.ready()).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    await expect(counter.writable()).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    expect(counter.cast.reset()).toBe(false);
  });

  it("ends a wait for room as well", async () => {
    const { counter, drive, hold, supervisor } = await openStage(placement, { mailbox: { messages: 4 } });
    const release = await hold();
    while (counter.cast.note({ text: "filler" }));
    // Under the same roof it waits in vain: the link that was full has ended.
    const writable = counter.writable().catch((error: unknown) => error);
    await Promise.resolve();
    const killing = supervisor.kill("counter");
    expect(await drive(writable)).toMatchObject({ code: "ACTOR_RESTARTING" });
    release();
    await drive(killing);
  });
});
