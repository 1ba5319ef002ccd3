import { describe, expect, it } from "vitest";
import { packValue } from "../../src/codec/index.ts";
import { fault } from "../../src/errors/index.ts";
import { METHOD, readTold, writeTell } from "../../src/remote/wire.ts";
import { LEASE_MS, World, gate, outputOf, pair } from "./kit/world.ts";

/** Tokens are given from 1 on. */
const TOKEN_OF_SECOND = 2;

const many = (count: number): { taskId: string }[] =>
  Array.from({ length: count }, (_, index) => ({ taskId: `t${index}` }));

describe("a task that a peer may run", () => {
  it("runs there when the own pool cannot, with its input, its number and its time, and its output comes back", async () => {
    const seen: unknown[] = [];
    const { a, b } = await pair(
      {},
      {
        handlers: {
          work(input, { taskId, attempt, timeoutMs }) {
            seen.push([input, taskId, attempt, timeoutMs]);
            return { sum: 3 };
          },
        },
      },
    );
    await a.submit({ taskId: "t1", value: [1, 2], timeoutMs: 9_000 });
    const outcome = await a.end("t1");
    expect(outputOf(outcome)).toEqual({ sum: 3 });
    expect(seen).toEqual([[[1, 2], "t1", 1, 9_000]]);
    expect(outcome).toMatchObject({ workerId: `peer:${b.peerId}`, attempt: 1, interruptions: 0 });
    expect(await a.outlet(b)).toMatchObject({ running: 0, completed: 1, failed: 0, returned: 0, held: null });
  });

  it("is part of the trace of its submitter there too, in a span of its own, and part of none without one", async () => {
    const TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736";
    const { a } = await pair({}, { handlers: { work: (_, { traceparent }) => traceparent ?? null } });
    const traceparent = `${TRACE}-00f067aa0ba902b7-01`;
    await a.submit({ taskId: "t1", traceparent }, { taskId: "t2" });
    const told = String(outputOf(await a.end("t1")));
    expect(told).toMatch(new RegExp(`^${TRACE}-[0-9a-f]{16}-01$`));
    expect(told).not.toBe(traceparent);
    expect(outputOf(await a.end("t2"))).toBeNull();
  });

  it("runs here as long as the own pool has room, and only what is left goes to the peer", async () => {
    const [here, there] = [gate(), gate()];
    const { world, a } = await pair(
      { threads: 2, handlers: { work: here.script } },
      { handlers: { work: there.script } },
    );
    await a.submit(...many(5));
    await world.until(() => there.running().length === 3);
    expect(here.running()).toHaveLength(2);
  });

  it("goes to the best of the peers that have room, and to worse ones only beyond that", async () => {
    const world = new World();
    const [good, bad] = [gate(), gate()];
    const a = await world.node({ threads: 0 });
    const near = await world.node({ handlers: { work: good.script } });
    const far = await world.node({ handlers: { work: bad.script } });
    a.registry.known.set(near.peerId, { latencyMs: 2, reliability: 1, capabilities: [] });
    a.registry.known.set(far.peerId, { latencyMs: 300, reliability: 0.5, capabilities: [] });
    for (const b of [far, near]) {
      world.network.connect(a.wire, b.wire);
      await a.use(await b.allow(a, { concurrency: 2 }));
    }
    await world.pass(100);
    await a.submit({ taskId: "first" });
    await world.until(() => good.has("first"));
    await a.submit(...many(3));
    await world.until(() => bad.running().length === 2);
    expect(good.running()).toHaveLength(2);
  });

  it("waits for a peer that is not connected yet, when its token names the action", async () => {
    const world = new World();
    const a = await world.node({ threads: 0, handlers: {} });
    const b = await world.node({ handlers: { work: () => "done" } });
    await a.use(await b.allow(a, { actions: ["work"] }));
    await a.submit({ taskId: "early" });
    expect((await a.outlet(b)).held).toBe("it is not connected");
    world.network.connect(a.wire, b.wire);
    expect(await a.end("early")).toMatchObject({ workerId: `peer:${b.peerId}`, attempt: 1 });
  });

  it("shares messages with others that start and end in the same moment", async () => {
    const { world, a } = await pair({}, { handlers: { work: () => "done" } });
    world.network.counts.clear();
    await a.submit(...many(90));
    for (const { taskId } of many(90)) expect((await a.end(taskId)).state).toBe("completed");
    const { counts } = world.network;
    expect((counts.get("remote.start") ?? 0) + (counts.get("remote.tell") ?? 0)).toBeLessThan(20);
  });

  it("whose handler fails there has used an attempt, and is tried again as its backoff says", async () => {
    let runs = 0;
    const work = (): unknown => {
      runs += 1;
      if (runs === 1) throw fault("HANDLER_FAILED", { action: "work", text: "no ink" });
      return runs;
    };
    const { world, a, b } = await pair({}, { handlers: { work } });
    await a.submit({ taskId: "t", attempts: 2 });
    expect(await a.end("t")).toMatchObject({ state: "completed", attempt: 2 });
    const { attempts } = await world.drive(a.queue.ref.call.attempts({ taskId: "t" }));
    const error = { code: "HANDLER_FAILED", message: "work failed: no ink" };
    expect(attempts).toMatchObject([{ kind: "failed", workerId: `peer:${b.peerId}`, error }]);
  });

  it("whose thread dies there is not charged, and is run again", async () => {
    let runs = 0;
    const work = (): unknown => {
      runs += 1;
      if (runs === 1) throw fault("UNAVAILABLE", { what: "its thread", why: "it died" });
      return "done";
    };
    const { a } = await pair({}, { handlers: { work } });
    await a.submit({ taskId: "t" });
    expect(await a.end("t")).toMatchObject({ state: "completed", attempt: 1, interruptions: 1 });
  });

  it("is given to a peer whose room was told before its earlier word of none was heard", async () => {
    const { world, a, b } = await pair({}, { handlers: { work: () => "done" } }, { concurrency: 1 });
    world.network.answerDelayMs = (method) => (method === METHOD.start ? 100 : 0);
    for (const { taskId } of many(5)) {
      await a.submit({ taskId });
      await world.until(async () => (await a.status(taskId)).state === "completed");
    }
    expect(await a.outlet(b)).toMatchObject({ completed: 5, held: null });
  });

  it("tells how far it is", async () => {
    const work = gate();
    const { world, a } = await pair(
      {},
      {
        handlers: {
          work(input, run) {
            run.progress(0.25, "a quarter");
            return work.script(input, run);
          },
        },
      },
    );
    await a.submit({ taskId: "t" });
    await world.until(async () => (await a.status("t")).progress === 0.25, 1_000);
    work.end("t");
    expect((await a.end("t")).state).toBe("completed");
  });

  it("keeps its place there for as long as it takes, because the peer says that it is alive", async () => {
    const work = gate();
    const { world, a } = await pair({}, { handlers: { work: work.script } });
    await a.submit({ taskId: "t", timeoutMs: 10 * LEASE_MS });
    await world.pass(5 * LEASE_MS);
    work.end("t");
    expect(await a.end("t")).toMatchObject({ state: "completed", attempt: 1, interruptions: 0 });
  });

  it("may require what the peer's record says that it can do, and what it merely has is no action", async () => {
    const world = new World();
    const a = await world.node({ threads: 0 });
    const b = await world.node({ handlers: { work: () => "done" } });
    a.registry.known.set(b.peerId, { latencyMs: 1, reliability: 1, capabilities: ["gpu"] });
    world.network.connect(a.wire, b.wire);
    await a.use(await b.allow(a));
    await world.pass(100);
    await a.submit({ taskId: "t", requires: ["gpu"] });
    expect((await a.end("t")).state).toBe("completed");
    await expect(a.submit({ taskId: "no", action: "gpu" })).rejects.toMatchObject({ code: "UNKNOWN_ACTION" });
  });
});

describe("a cancellation", () => {
  it("reaches the handler on the other node within the time of the way there, and the task is cancelled", async () => {
    const work = gate();
    const { world, a } = await pair({}, { handlers: { work: work.script } });
    world.network.delayMs = 20;
    await a.submit({ taskId: "t" });
    await world.until(() => work.has("t"));
    const { signal } = { signal: work.signal("t") };
    const askedAtMs = world.clock.now();
    void a.queue.ref.call.cancel({ taskIds: ["t"], reason: "changed my mind", force: false });
    await world.until(() => signal?.aborted === true);
    expect(world.clock.now() - askedAtMs).toBeLessThan(100);
    expect(await a.end("t")).toMatchObject({ state: "cancelled", error: { code: "CANCELLED" } });
  });

  it("of a task whose peer cannot be reached ends with its lease", async () => {
    const work = gate();
    const { world, a, b } = await pair({}, { handlers: { work: work.script } });
    await a.submit({ taskId: "t" });
    await world.until(() => work.has("t"));
    world.network.cut(a.wire, b.wire);
    void a.queue.ref.call.cancel({ taskIds: ["t"], reason: "", force: false });
    expect(await a.end("t")).toMatchObject({ state: "cancelled" });
    expect(world.clock.now()).toBeLessThan(2 * LEASE_MS);
    await world.until(() => !work.has("t"), 2 * LEASE_MS);
  });
});

describe("a peer that goes", () => {
  it("loses what it had: another one does it, uncharged", async () => {
    const world = new World();
    const [first, second] = [gate(), gate()];
    const a = await world.node({ threads: 0 });
    const b = await world.node({ handlers: { work: first.script } });
    const c = await world.node({ handlers: { work: second.script } });
    world.network.connect(a.wire, b.wire);
    await a.use(await b.allow(a));
    await a.submit({ taskId: "t" }).catch(() => undefined);
    await world.until(async () => (await a.outlet(b)).held === null);
    await a.submit({ taskId: "t" });
    await world.until(() => first.has("t"));
    world.network.connect(a.wire, c.wire);
    await a.use(await c.allow(a));
    const diedAtMs = world.clock.now();
    b.crash();
    await world.until(() => second.has("t"));
    expect(world.clock.now() - diedAtMs).toBeLessThan(LEASE_MS / 2);
    second.end("t", "by c");
    const outcome = await a.end("t");
    expect(outputOf(outcome)).toBe("by c");
    expect(outcome).toMatchObject({ attempt: 1, interruptions: 1, workerId: `peer:${c.peerId}` });
    expect(a.registry.judged.some(({ peerId, ok }) => peerId === b.peerId && !ok)).toBe(true);
    expect((await a.outlet(b)).held).toBe("it is not connected");
  });

  it("and does not die may come back, and its task goes on where it was", async () => {
    const work = gate();
    const { world, a, b } = await pair({}, { handlers: { work: work.script } });
    await a.submit({ taskId: "t" });
    await world.until(() => work.has("t"));
    world.network.disconnect(a.wire, b.wire);
    await world.pass(LEASE_MS / 10);
    world.network.connect(a.wire, b.wire);
    await world.pass(LEASE_MS);
    work.end("t", "still here");
    const outcome = await a.end("t");
    expect(outputOf(outcome)).toBe("still here");
    expect(outcome).toMatchObject({ attempt: 1, interruptions: 0 });
  });

  it("silently, with its connection open, loses what it had after its lease, and what it says too late changes nothing", async () => {
    const [there, here] = [gate(), gate()];
    const { world, a, b } = await pair(
      { threads: 1, handlers: { work: here.script } },
      { handlers: { work: there.script } },
    );
    await a.submit({ taskId: "busy" });
    await a.submit({ taskId: "t" });
    await world.until(() => there.has("t"));
    world.network.cut(a.wire, b.wire);
    here.end("busy");
    await world.until(() => here.has("t"), 2 * LEASE_MS);
    world.network.heal(a.wire, b.wire);
    const end = {
      token: TOKEN_OF_SECOND,
      kind: "completed",
      output: packValue("late"),
      error: null,
    } as const;
    const tell = { life: 0, sequence: 1, room: 1, held: null, progress: [], ends: [end] };
    const told = await world.drive(b.wire.ask(a.wire, METHOD.tell, writeTell(tell)));
    expect(readTold(b.peerId, told).forget).toEqual([TOKEN_OF_SECOND]);
    here.end("t", "in time");
    const outcome = await a.end("t");
    expect(outputOf(outcome)).toBe("in time");
    expect(outcome).toMatchObject({ interruptions: 1, workerId: "local" });
  });

  it("silently gets nothing more until it answers again, so that what only it can do is interrupted once", async () => {
    const work = gate();
    const { world, a, b } = await pair({}, { handlers: { work: work.script } });
    await a.submit({ taskId: "t" });
    await world.until(() => work.has("t"));
    world.network.cut(a.wire, b.wire);
    await world.pass(2 * LEASE_MS);
    world.network.counts.clear();
    await world.pass(8 * LEASE_MS);
    expect(await a.status("t")).toMatchObject({ state: "queued", interruptions: 1 });
    expect(world.network.counts.get("remote.start")).toBeUndefined();
    expect((await a.outlet(b)).held).not.toBeNull();
    world.network.heal(a.wire, b.wire);
    await world.until(() => work.has("t"));
    work.end("t");
    expect(await a.end("t")).toMatchObject({ state: "completed", attempt: 1, interruptions: 1 });
  });

  it("whose actor was restarted has lost what it had, and gets it again", async () => {
    let runs = 0;
    const work = gate();
    const { world, a, b } = await pair(
      {},
      {
        handlers: {
          work(input, run) {
            runs += 1;
            return runs === 1 ? work.script(input, run) : "again";
          },
        },
      },
    );
    await a.submit({ taskId: "t" });
    await world.until(() => work.has("t"));
    b.remote.crash();
    await world.drive(b.remote.begin());
    await a.use(await b.allow(a));
    expect(outputOf(await a.end("t"))).toBe("again");
    expect((await a.status("t")).interruptions).toBe(1);
  });

  it("in good order gives back what it has, which costs nothing", async () => {
    const [there, here] = [gate(), gate()];
    const { world, a, b } = await pair(
      { threads: 1, handlers: { work: here.script } },
      { handlers: { work: there.script } },
    );
    await a.submit({ taskId: "busy" });
    await a.submit({ taskId: "t" });
    await world.until(() => there.has("t"));
    await world.drive(b.remote.stop());
    here.end("busy");
    await world.until(() => here.has("t"), 1_000);
    expect(await a.status("t")).toMatchObject({ attempt: 1, interruptions: 0, workerId: "local" });
  });
});

describe("an asker that goes", () => {
  it("has its tasks stopped on the other node within its lease", async () => {
    const work = gate();
    const { world, a } = await pair({}, { handlers: { work: work.script } });
    await a.submit({ taskId: "t" });
    await world.until(() => work.has("t"));
    const diedAtMs = world.clock.now();
    a.crash();
    await world.until(() => !work.has("t"), 2 * LEASE_MS);
    expect(world.clock.now() - diedAtMs).toBeLessThanOrEqual(1.4 * LEASE_MS);
  });

  it("and whose actor was restarted has its tasks taken back and run anew, and stopped where they were", async () => {
    const work = gate();
    const { world, a, b } = await pair({}, { handlers: { work: work.script } });
    await a.submit({ taskId: "t" });
    await world.until(() => work.has("t"));
    const first = work.signal("t");
    a.remote.crash();
    await world.drive(a.remote.begin());
    await a.use(await b.allow(a));
    await world.until(() => first?.aborted === true && work.has("t"), 2 * LEASE_MS);
    work.end("t", "second");
    expect(outputOf(await a.end("t"))).toBe("second");
  });
});

describe("tasks that are on their way", () => {
  it("when the message is lost are run again, and never twice at once", async () => {
    let lost = 0;
    const work = gate();
    const { world, a } = await pair({}, { handlers: { work: work.script } });
    world.network.onRequest = ({ method }) => method === "remote.start" && (lost += 1) === 1;
    await a.submit({ taskId: "t" });
    await world.until(() => work.has("t"), 3 * LEASE_MS);
    work.end("t");
    expect(await a.end("t")).toMatchObject({ state: "completed", attempt: 1 });
  });

  it("when the answer to an end is lost are told again, and end once", async () => {
    let told = 0;
    const { world, a } = await pair({}, { handlers: { work: () => "done" } });
    world.network.onRequest = ({ method }) => method === "remote.tell" && (told += 1) === 1;
    await a.submit({ taskId: "t" });
    expect(await a.end("t")).toMatchObject({ state: "completed", attempt: 1, interruptions: 0 });
    expect(told).toBeGreaterThan(1);
  });
});

it("a token that is dropped sends nothing there any more, and what the peer has comes back uncharged", async () => {
  const work = gate();
  const { world, a, b } = await pair({}, { handlers: { work: work.script } });
  await a.submit({ taskId: "t" });
  await world.until(() => work.has("t"));
  expect(await world.drive(a.remote.ref.call.drop({ peerId: b.peerId }))).toEqual({ returned: 1 });
  await world.until(() => !work.has("t"), 1_000);
  expect(await a.status("t")).toMatchObject({ state: "queued", attempt: 0, interruptions: 0 });
  expect(await a.outlets()).toEqual([]);
  await expect(world.drive(a.remote.ref.call.drop({ peerId: b.peerId }))).rejects.toMatchObject({
    code: "PEER_NOT_FOUND",
  });
});
