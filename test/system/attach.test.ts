import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { Reference, type System, type SystemOptions } from "../../src/index.ts";
import { takeTurn } from "../../src/system/attach/turn.ts";
import { openInline } from "../kit/inline-system.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { STEPS, linesOf, temporaryDirectory } from "./kit/directory.ts";
import { openScripted } from "./kit/scripted-owner.ts";

const ECHO = { steps: [{ stepId: "a", action: "echo", inputs: { word: "here" } }] };

const open = (data: string, options: SystemOptions = {}): Promise<System> =>
  openInline({ data, attach: true, threads: 1, graceMs: 0, ...options });

/** Steps that leave lines in `<directory>/log`; the second waits for `<directory>/go`. */
const threeSteps = {
  workflowId: "w",
  steps: [
    { stepId: "first", action: "note", inputs: { log: "log", line: "first" } },
    {
      stepId: "second",
      action: "wait_for",
      inputs: { log: "log", line: "second", file: "go" },
      dependsOn: ["first"],
    },
  ],
};

/** Resolves when the handler of the second step has begun. */
async function secondBegun(system: System): Promise<void> {
  for await (const { step } of system.watch("w")) {
    if (step?.stepId === "second" && step.state === "running") return;
  }
}

describe("a second opening of a directory", () => {
  failOnLeaks();

  it("answers as the owner does, and what one submits the other sees", async () => {
    const data = temporaryDirectory();
    await using owner = await open(data);
    await using guest = await open(data);
    expect([owner.role, guest.role]).toEqual(["owner", "guest"]);
    const outcome = await guest.run({ workflowId: "w", ...ECHO });
    expect(outcome.outputs).toEqual({ a: { word: "here" } });
    expect(await owner.status("w")).toEqual(await guest.status("w"));
    await owner.tasks.run({ id: "t", action: "echo", input: { of: "the owner" } });
    expect((await guest.tasks.result("t")).output).toEqual({ of: "the owner" });
    expect((await guest.queueStats()).completed).toBe((await owner.queueStats()).completed);
    expect(await guest.health()).toEqual(await owner.health());
    await expect(guest.status("none")).rejects.toMatchObject({ code: "WORKFLOW_NOT_FOUND" });
  });

  it("follows runs, and cancels what its caller withdraws", async () => {
    const directory = temporaryDirectory();
    const options = { tasks: [STEPS], roots: [directory] };
    await using owner = await open(join(directory, "data"), options);
    await using guest = await open(join(directory, "data"), options);
    const controller = new AbortController();
    const states: unknown[] = [];
    const { status } = await guest.run(threeSteps, {
      signal: controller.signal,
      onEvent({ step }) {
        states.push(step && `${step.stepId} ${step.state}`);
        if (step?.stepId === "second" && step.state === "running") controller.abort();
      },
    });
    expect(status.state).toBe("cancelled");
    expect(states).toContain("first completed");
    expect((await owner.status("w")).state).toBe("cancelled");
  });

  it("reads large values where they are, and stores its own there", async () => {
    const data = temporaryDirectory();
    await using owner = await open(data, { tasks: [STEPS] });
    await using guest = await open(data, { tasks: [STEPS] });
    const { outputs } = await guest.run({ workflowId: "w", steps: [{ stepId: "a", action: "large" }] });
    const output = outputs["a"];
    expect(output).toBeInstanceOf(Reference);
    expect(await guest.load(output as Reference)).toHaveProperty("text.length", 100_000);
    const stopping = new AbortController();
    const made = "y".repeat(200_000);
    const work = guest.tasks.work({
      workerId: "outside",
      capabilities: ["outside"],
      handlers: { echo: () => made },
      signal: stopping.signal,
    });
    const result: unknown = await owner.tasks.run({ action: "echo", requires: ["outside"] });
    stopping.abort();
    expect(await work).toMatchObject({ completed: 1 });
    expect(await owner.load(result as Reference)).toBe(made);
  });

  it("sees what the cache holds at every moment", async () => {
    const data = temporaryDirectory();
    await using owner = await open(data);
    await using guest = await open(data);
    for (const [one, other, value] of [
      [owner, guest, 1],
      [guest, owner, 2],
    ] as const) {
      await one.cache.put("k", value, { ttlMs: 60_000 });
      expect((await other.cache.get("k"))?.value).toBe(value);
      expect((await one.cache.get("k"))?.value).toBe(value);
    }
    await owner.cache.invalidate({ key: "k" });
    expect(await guest.cache.get("k")).toBeUndefined();
  });

  it("may have the owner back up the directory", async () => {
    const data = temporaryDirectory();
    await using owner = await open(data);
    await using guest = await open(data);
    await owner.run({ workflowId: "w", ...ECHO });
    const target = join(temporaryDirectory(), "copy");
    await guest.backup(target);
    expect(readdirSync(target)).toContain("manifest.json");
  });

  it("is told what only the owner can do", async () => {
    const data = temporaryDirectory();
    await using owner = await open(data);
    await using guest = await open(data);
    await expect(guest.kill("queue")).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining(`process ${process.pid} owns ${data}`) as string,
    });
    await expect(guest.stopActor("mine")).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await guest.queueStats();
    expect(guest.metrics().counters.callsStarted).toBeGreaterThan(0);
    await owner.kill("queue");
    // A restart of an actor in the owner is to the guest what it is to the owner.
    expect((await guest.queueStats()).durability).toBe("flushed");
  });

  it("is refused when it counts on handlers that the owner was started without", async () => {
    const data = temporaryDirectory();
    await using owner = await open(data);
    await expect(open(data, { tasks: [STEPS] })).rejects.toMatchObject({
      code: "MODULE_INVALID",
      message: expect.stringContaining("runs without it") as string,
    });
    expect((await owner.run({ workflowId: "w", ...ECHO })).status.state).toBe("completed");
  });

  it("leaves the owner, and what it has submitted, as they are when it is closed", async () => {
    const directory = temporaryDirectory();
    const options = { tasks: [STEPS], roots: [directory] };
    await using owner = await open(join(directory, "data"), options);
    const guest = await open(join(directory, "data"), options);
    await guest.submit(threeSteps);
    await secondBegun(guest);
    const waiting = guest.tasks.wait("never").catch((error: unknown) => error);
    await guest.close();
    expect(await waiting).toMatchObject({ code: expect.any(String) as string });
    await expect(guest.status("w")).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    writeFileSync(join(directory, "go"), "");
    const rest = owner.watch("w");
    while (!(await rest.next()).done);
    expect((await owner.status("w")).state).toBe("completed");
    expect(linesOf(join(directory, "log"))).toEqual(["first", "second begins", "second is left"]);
  });
});

describe("the end of the owner", () => {
  failOnLeaks();

  it("makes its guest the owner, which answers what was under way and goes on with its runs", async () => {
    const directory = temporaryDirectory();
    const data = join(directory, "data");
    const options = { tasks: [STEPS], roots: [directory] };
    const owner = await open(data, options);
    await using guest = await open(data, options);
    await guest.submit(threeSteps);
    const running = guest.run(threeSteps);
    await secondBegun(guest);
    const questions = Array.from({ length: 20 }, () => guest.status("w"));
    const submits = Array.from({ length: 20 }, (_, at) =>
      guest.tasks.submit({ id: `t${at}`, action: "echo", input: at }),
    );
    const closing = owner.close();
    const more = Array.from({ length: 20 }, (_, at) =>
      guest.tasks.submit({ id: `t${at}`, action: "echo", input: at }),
    );
    writeFileSync(join(directory, "go"), "");
    expect((await Promise.all(questions)).every(({ workflowId }) => workflowId === "w")).toBe(true);
    await Promise.all([...submits, ...more]);
    await closing;
    expect(guest.role).toBe("owner");
    const { outputs } = await running;
    expect(outputs).toEqual({ first: "first", second: "second" });
    expect(linesOf(join(directory, "log")).filter((line) => line === "first")).toHaveLength(1);
    for (let at = 0; at < 20; at++) expect((await guest.tasks.wait(`t${at}`)).output).toBe(at);
    // And the two of the steps.
    expect((await guest.tasks.list()).total).toBe(22);
  });

  it("is a restart to streams and to plain calls", async () => {
    const data = temporaryDirectory();
    const owner = await open(data);
    await using guest = await open(data);
    const { queue, scheduler } = guest.actors;
    await guest.tasks.submit({ id: "t", action: "echo", delayMs: 600_000 });
    const stream = scheduler.on.changed();
    const waiting = queue.call.wait({ taskId: "t" }, { timeoutMs: Infinity });
    const lost = expect(waiting).rejects.toMatchObject({
      code: "ACTOR_RESTARTING",
      details: { actor: "queue" },
    });
    const cut = expect(stream.next()).rejects.toMatchObject({ code: "ACTOR_RESTARTING" });
    await queue.call.stats();
    await owner.close();
    await Promise.all([lost, cut]);
    await queue.ready();
    expect((await queue.call.status({ taskId: "t" })).state).toBe("queued");
  });

  it("makes one of two guests the owner, and the other that one's guest", async () => {
    const data = temporaryDirectory();
    const owner = await open(data);
    await using one = await open(data);
    await using other = await open(data);
    await owner.close();
    await Promise.all([one.run({ workflowId: "w", ...ECHO }), other.run({ workflowId: "w", ...ECHO })]);
    expect([one.role, other.role].toSorted()).toEqual(["guest", "owner"]);
    expect((await one.list()).total).toBe(1);
    const [heir, last] = one.role === "owner" ? [one, other] : [other, one];
    await heir.close();
    expect((await last.result("w")).outputs).toEqual({ a: { word: "here" } });
    expect(last.role).toBe("owner");
    // It has the cache's memory from now on, and answers as before.
    await last.cache.put("k", 1, { ttlMs: 60_000 });
    expect([(await last.cache.get("k"))?.value, (await last.cache.get("k"))?.value]).toEqual([1, 1]);
  });

  it("is the end of a guest that fits to no other owner, and it says why", async () => {
    const data = temporaryDirectory();
    const owner = await open(data, { tasks: [STEPS] });
    await using guest = await open(data, { tasks: [STEPS] });
    const failed = expect(guest.failed).rejects.toMatchObject({ code: "MODULE_INVALID" });
    await owner.close();
    // Somebody else is quicker, and was started without the handlers.
    const turn = takeTurn(data) ?? expect.fail("the turn is free");
    await openScripted(() => null, { data });
    await failed;
    await expect(guest.status("w")).rejects.toMatchObject({ code: "MODULE_INVALID" });
    turn[Symbol.dispose]();
  });

  it("is waited for when it takes long, and its guest can be closed meanwhile", async () => {
    const data = temporaryDirectory();
    const owner = await open(data);
    const guest = await open(data);
    await owner.close();
    const turn = takeTurn(data);
    while (guest.role !== "none") await new Promise((resolve) => setImmediate(resolve));
    const asked = guest.status("w");
    asked.catch(() => undefined);
    await guest.close();
    turn?.[Symbol.dispose]();
    await expect(asked).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    expect(guest.role).toBe("none");
  });
});

describe("an owner that lets nobody attach", () => {
  failOnLeaks();

  it("is not attached to, and not harmed", async () => {
    const data = temporaryDirectory();
    await using alone = await openInline({ data, threads: 1 });
    await expect(open(data)).rejects.toMatchObject({ code: "STORE_OWNED" });
    expect((await alone.run({ workflowId: "w", ...ECHO })).status.state).toBe("completed");
  });

  it("only looks: whoever comes meanwhile waits until it is done, and owns the directory then", async () => {
    const data = temporaryDirectory();
    const looking = await open(data, { idle: true });
    const coming = open(data);
    await looking.tasks.submit({ id: "t", action: "echo" });
    await looking.close();
    await using owner = await coming;
    expect([owner.role, (await owner.tasks.wait("t")).state]).toEqual(["owner", "completed"]);
  });

  it("is one that cannot listen: it works alone", async () => {
    vi.stubEnv("MCPLUSPLUS_LOG", "error");
    onTestFinished(() => void vi.unstubAllEnvs());
    const data = temporaryDirectory();
    mkdirSync(join(data, "owner.sock", "in the way"), { recursive: true });
    await using owner = await open(data);
    expect((await owner.run({ workflowId: "w", ...ECHO })).status.state).toBe("completed");
    expect(owner.role).toBe("owner");
    expect(readdirSync(data).filter((name) => name.startsWith("s-"))).toEqual([]);
  });

  it("keeps a process alive that waits for it", async () => {
    const data = temporaryDirectory();
    const timers = (): number => process.getActiveResourcesInfo().filter((each) => each === "Timeout").length;
    const turn = takeTurn(data);
    const before = timers();
    const opening = open(data);
    // Its first look ends in a later turn of the loop.
    for (let at = 0; at < 10 && timers() === before; at++) await new Promise((done) => setImmediate(done));
    // Timers that keep nothing alive are not among them.
    expect(timers()).toBeGreaterThan(before);
    turn?.[Symbol.dispose]();
    await (await opening).close();
  });

  it("keeps its files when others attach to the directory's owner and it does not", async () => {
    const data = temporaryDirectory();
    await using owner = await open(data);
    await expect(openInline({ data, threads: 1 })).rejects.toMatchObject({ code: "STORE_OWNED" });
    await using guest = await open(data, { idle: true });
    expect([owner.role, guest.role]).toEqual(["owner", "guest"]);
  });

  it("is anyone without a directory", async () => {
    const systems = [await open(null as unknown as string), await openInline({ data: null, attach: true })];
    onTestFinished(async () => void (await Promise.all(systems.map((each) => each.close()))));
    expect(systems.map(({ role }) => role)).toEqual(["owner", "owner"]);
  });
});
