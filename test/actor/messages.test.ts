import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { withScope } from "../../src/scope/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { PLACEMENTS, openStage } from "./stage.ts";

failOnLeaks();

describe.each(PLACEMENTS)("an actor that lives %s", (placement) => {
  const open = (options?: Parameters<typeof openStage>[1]): ReturnType<typeof openStage> =>
    openStage(placement, options);

  describe("calls", () => {
    it("resolves a call with the handler's value", async () => {
      const { counter, drive } = await open();
      expect(await drive(counter.call.add({ by: 2 }))).toBe(2);
      expect(await drive(counter.call.add({ by: 3 }))).toBe(5);
      expect(await drive(counter.call.total())).toBe(5);
    });

    it("rejects a call with the handler's fault: code, details and cause", async () => {
      const { counter, drive } = await open();
      await expect(drive(counter.call.fail({ how: "fault" }))).rejects.toMatchObject({
        code: "UNAVAILABLE",
        details: { what: "the counter", why: "a test says so" },
        cause: { code: "DEFECT", details: { name: "RangeError", text: "underneath" } },
      });
      expect(await drive(counter.call.epoch()), "a fault is an answer, not a crash").toBe(1);
    });

    it("ends a call at its deadline and aborts the callee's signal", async () => {
      const { counter, drive } = await open();
      await expect(drive(counter.call.wait(undefined, { timeoutMs: 20 }))).rejects.toMatchObject({
        code: "DEADLINE_EXCEEDED",
        details: { what: "counter.wait", timeoutMs: 20 },
      });
      const [code, ...more] = await drive(counter.call.aborted());
      // The callee has a timer of its own and hears from the caller as well; whichever is first.
      expect(["CANCELLED", "DEADLINE_EXCEEDED"]).toContain(code);
      expect(more).toEqual([]);
    });

    it("gives a call within a scope no longer than the scope has", async () => {
      const { counter, drive } = await open();
      const scoped = withScope({ timeoutMs: 60_000 }, (scope) =>
        drive(counter.call.wait(undefined, { signal: scope.signal, timeoutMs: 10 })),
      );
      await expect(scoped).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", details: { timeoutMs: 10 } });
    });

    it("refuses a deadline that is not a number, since such a call would never end", async () => {
      const { counter, drive } = await open();
      await expect(drive(counter.call.wait(undefined, { timeoutMs: Number.NaN }))).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        details: { argument: "timeoutMs" },
      });
    });

    it("rejects a call whose signal aborts with CANCELLED, keeps the reason as its cause, and aborts the callee", async () => {
      const { counter, drive } = await open();
      const controller = new AbortController();
      const reason = new Error("changed my mind");
      const waiting = counter.call.wait(undefined, { signal: controller.signal });
      await drive(counter.call.total());
      controller.abort(reason);
      await expect(drive(waiting)).rejects.toMatchObject({ code: "CANCELLED", cause: reason });
      expect(await drive(counter.call.aborted())).toEqual(["CANCELLED"]);
    });

    it("hears nothing more of a call that was cancelled, though its handler fails of that", async () => {
      const { counter, drive, supervisor } = await open();
      const controller = new AbortController();
      const waiting = counter.call.wait(undefined, { signal: controller.signal }).catch(() => "gone");
      await drive(counter.call.total());
      controller.abort();
      expect(await drive(waiting)).toBe("gone");
      expect(await drive(counter.call.aborted())).toHaveLength(1);
      await drive(counter.call.total());
      expect(supervisor.metrics().counters.callsFailed).toBe(0);
    });

    it("sends nothing when the signal of a call has aborted before", async () => {
      const { counter, drive, supervisor } = await open();
      const sent = supervisor.metrics().counters.messagesSent;
      await expect(drive(counter.call.add({ by: 1 }, { signal: AbortSignal.abort() }))).rejects.toMatchObject(
        { code: "CANCELLED" },
      );
      expect(supervisor.metrics().counters.messagesSent).toBe(sent);
      expect(await drive(counter.call.total())).toBe(0);
    });

    it("leaves nothing on a signal that outlives its calls", async () => {
      const { counter, drive } = await open();
      const { signal } = new AbortController();
      let listeners = 0;
      const add = signal.addEventListener.bind(signal);
      const remove = signal.removeEventListener.bind(signal);
      signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
      signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
      await drive(counter.call.add({ by: 1 }, { signal }));
      expect(listeners).toBe(0);
    });

    it("tells the handler the traceparent, and who calls", async () => {
      const { counter, drive } = await open();
      const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
      expect(await drive(counter.call.trace(undefined, { traceparent }))).toBe(traceparent);
      expect(await drive(counter.call.trace())).toBeNull();
      expect(await drive(counter.call.who())).toBe("host");
    });

    it("starts handlers in the order of the mailbox and lets them overlap after their first await", async () => {
      const { counter, drive } = await open();
      const meeting = ["a", "b", "c"].map((name) => counter.call.meet({ name, size: 3 }));
      expect(await drive(Promise.all(meeting))).toEqual([
        ["a", "b", "c"],
        ["a", "b", "c"],
        ["a", "b", "c"],
      ]);
    });

    it("gives each of 5,000 calls at once its own answer", async () => {
      const { counter, drive } = await open({ mailbox: { messages: 8_192, ringBytes: 2 ** 20 } });
      const values = Array.from({ length: 5_000 }, (_, index) => `value ${index}`);
      const echoes = await drive(Promise.all(values.map((value) => counter.call.echo({ value }))));
      expect(echoes.map(({ value }) => value)).toEqual(values);
    });

    it("refuses one call more than may be in flight, and says how many that are", async () => {
      const { counter, drive, supervisor } = await open({
        mailbox: { messages: 65_536, ringBytes: 2 ** 22 },
      });
      const inFlight = Array.from({ length: LIMITS.actor.callsInFlight }, () => counter.call.wait());
      const ended = Promise.allSettled(inFlight);
      await expect(drive(counter.call.total())).rejects.toMatchObject({
        code: "MAILBOX_FULL",
        details: { actor: "counter", limit: LIMITS.actor.callsInFlight, unit: "calls in flight" },
      });
      await drive(supervisor.stopChild("counter"));
      await drive(ended);
    });
  });

  describe("the mailbox", () => {
    it("refuses a cast when it is full, and the cast changes nothing", async () => {
      const { counter, drive, hold } = await open({ mailbox: { messages: 4 } });
      const release = await hold();
      const notes = Array.from({ length: 10 }, (_, index) => `note ${index}`);
      const accepted = notes.filter((text) => counter.cast.note({ text }));
      expect(accepted.length).toBeGreaterThan(0);
      expect(accepted.length).toBeLessThanOrEqual(4);
      expect(counter.cast.note({ text: "one more" })).toBe(false);
      release();
      await drive(counter.writable());
      expect(await drive(counter.call.notes())).toEqual(accepted);
    });

    it("rejects a call when it is full, with the number of messages it holds, and counts it", async () => {
      const { counter, drive, hold, supervisor } = await open({ mailbox: { messages: 4 } });
      const release = await hold();
      while (counter.cast.note({ text: "filler" }));
      const refused = supervisor.metrics().counters.messagesRefused;
      await expect(counter.call.total()).rejects.toMatchObject({
        code: "MAILBOX_FULL",
        message: "the mailbox of counter is full: it holds 4 messages",
        details: { actor: "counter", limit: 4, unit: "messages" },
      });
      expect(supervisor.metrics().counters.messagesRefused).toBe(refused + 1);
      release();
      await drive(counter.writable());
    });

    it("is full when its ring is, however few the messages", async () => {
      const { counter, drive, hold } = await open({ mailbox: { messages: 1_000, ringBytes: 4_096 } });
      const release = await hold();
      let accepted = 0;
      while (counter.cast.note({ text: "x".repeat(600) })) accepted++;
      expect(accepted).toBeGreaterThan(0);
      await expect(counter.call.echo({ value: "x".repeat(600) })).rejects.toMatchObject({
        code: "MAILBOX_FULL",
        details: { limit: 4_096, unit: "bytes" },
      });
      release();
      await drive(counter.writable());
      expect(await drive(counter.call.notes())).toHaveLength(accepted);
    });

    it("tells whoever waits for room when there is some, and at once when there already is", async () => {
      const { counter, drive, hold } = await open({ mailbox: { messages: 8 } });
      await drive(counter.writable({ signal: new AbortController().signal }));
      const release = await hold();
      while (counter.cast.note({ text: "filler" }));
      const writable = counter.writable();
      release();
      await drive(writable);
      expect(counter.cast.note({ text: "after" })).toBe(true);
      expect((await drive(counter.call.notes())).at(-1)).toBe("after");
    });

    it("lets go of a wait for room whose signal aborts, before or meanwhile", async () => {
      const { counter, drive, hold } = await open({ mailbox: { messages: 4 } });
      const release = await hold();
      while (counter.cast.note({ text: "filler" }));
      const reason = new Error("no longer");
      await expect(counter.writable({ signal: AbortSignal.abort(reason) })).rejects.toMatchObject({
        code: "CANCELLED",
        cause: reason,
      });
      const controller = new AbortController();
      const writable = counter.writable({ signal: controller.signal });
      controller.abort(reason);
      await expect(writable).rejects.toMatchObject({ code: "CANCELLED", cause: reason });
      release();
      await drive(counter.writable());
    });
  });

  describe("large messages", () => {
    it("carries a message that is larger than the ring whole, in its place among small ones", async () => {
      const { counter, drive } = await open({ mailbox: { ringBytes: 4_096 } });
      const large = "large ".repeat(5_000);
      const texts = ["first", large, "second", `${large}!`, "third"];
      for (const text of texts) expect(counter.cast.note({ text })).toBe(true);
      expect(await drive(counter.call.notes())).toEqual(texts);
    });

    it("carries a reply that is larger than the ring whole, in its place among small ones", async () => {
      const { counter, drive } = await open({ mailbox: { ringBytes: 4_096 } });
      const data = Uint8Array.from({ length: 50_000 }, (_, index) => index % 251);
      const order: string[] = [];
      const echo = async (value: string, bytes?: Uint8Array): Promise<unknown> => {
        const reply = await counter.call.echo({ value, ...(bytes && { data: bytes }) });
        order.push(reply.value);
        return reply.data;
      };
      const replies = await drive(
        Promise.all([echo("a"), echo("b", data), echo("c"), echo("d", data), echo("e")]),
      );
      expect(order).toEqual(["a", "b", "c", "d", "e"]);
      expect(replies).toEqual([undefined, data, undefined, data, undefined]);
    });

    it("carries a traceparent with a message in pieces", async () => {
      const { counter, drive } = await open({ mailbox: { ringBytes: 4_096 } });
      const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
      const value = "x".repeat(20_000);
      expect(await drive(counter.call.echo({ value }, { traceparent }))).toEqual({ value });
    });

    it("refuses a message over the limit with its size, and sends nothing of it", async () => {
      const { counter, drive } = await open();
      const limitBytes = LIMITS.actor.messageBytes;
      const data = new Uint8Array(limitBytes);
      await expect(counter.call.echo({ value: "", data })).rejects.toMatchObject({
        code: "MESSAGE_TOO_LARGE",
        details: { actor: "counter", limitBytes },
      });
      expect(() => counter.cast.note({ text: "x".repeat(limitBytes) })).toThrow(
        expect.objectContaining({ code: "MESSAGE_TOO_LARGE" }),
      );
      expect(await drive(counter.call.notes())).toEqual([]);
    });

    it("fails only the call whose reply is over the limit", async () => {
      const { counter, drive } = await open();
      const settled = await drive(
        Promise.allSettled([
          counter.call.add({ by: 1 }),
          counter.call.bytes({ count: LIMITS.actor.messageBytes }),
          counter.call.add({ by: 1 }),
        ]),
      );
      expect(settled).toMatchObject([
        { value: 1 },
        { reason: { code: "MESSAGE_TOO_LARGE", details: { actor: "host" } } },
        { value: 2 },
      ]);
    });

    it("carries the largest message that is allowed, with a traceparent, there and back", async () => {
      const { counter, drive } = await open();
      // What is left is for the packing of the bytes and of the object around them.
      const data = new Uint8Array(LIMITS.actor.messageBytes - 64).fill(1);
      const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
      const reply = await drive(counter.call.echo({ value: "", data }, { traceparent }));
      expect(reply.data?.length).toBe(data.length);
    });

    it("refuses more waiting bytes than one message may have", async () => {
      const { counter, drive, hold } = await open();
      const release = await hold();
      const text = "x".repeat(LIMITS.actor.messageBytes / 2);
      expect(counter.cast.note({ text })).toBe(true);
      expect(counter.cast.note({ text })).toBe(false);
      release();
      expect(await drive(counter.call.notes())).toHaveLength(1);
    });
  });

  describe("values that cannot cross", () => {
    it("refuses a message that holds a symbol, says where, and sends nothing", async () => {
      const { counter, drive } = await open();
      const value = Symbol("no text") as unknown as string;
      await expect(counter.call.echo({ value })).rejects.toMatchObject({ code: "NOT_A_WIRE_VALUE" });
      expect(() => counter.cast.note({ text: value })).toThrow(
        expect.objectContaining({
          code: "NOT_A_WIRE_VALUE",
          details: expect.objectContaining({
            found: expect.stringContaining("symbol") as unknown,
          }) as unknown,
        }),
      );
      expect(await drive(counter.call.notes())).toEqual([]);
    });

    it("refuses a message that holds a function, and sends nothing", async () => {
      const { counter, drive } = await open();
      const value = (() => "") as unknown as string;
      await expect(drive(counter.call.echo({ value }))).rejects.toMatchObject({ code: "NOT_A_WIRE_VALUE" });
      expect(await drive(counter.call.total())).toBe(0);
    });

    it("fails only the call whose handler returns what cannot cross", async () => {
      const { counter, drive } = await open();
      await expect(drive(counter.call.fail({ how: "function" }))).rejects.toMatchObject({
        code: "NOT_A_WIRE_VALUE",
      });
      expect(await drive(counter.call.epoch())).toBe(1);
    });
  });
});

describe("deadlines", () => {
  it("come in their own order, whatever the order in which they were set", async () => {
    const { counter, drive } = await openStage("inline");
    const ends: number[] = [];
    const wait = (timeoutMs: number): Promise<unknown> =>
      counter.call.wait(undefined, { timeoutMs }).catch(() => ends.push(timeoutMs));
    await drive(Promise.all([wait(60), wait(20), wait(40), wait(20)]));
    expect(ends).toEqual([20, 20, 40, 60]);
  });
});
