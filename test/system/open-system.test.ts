import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { openSystem } from "../../src/index.ts";
import { ACTORS } from "../../src/system/index.ts";
import { resolveOptions } from "../../src/system/options.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { FLIGHTS_TASKS } from "./kit/flights.ts";
import { STEPS, temporaryDirectory } from "./kit/directory.ts";

const ECHO = { steps: [{ stepId: "a", action: "echo", inputs: { word: "here" } }] };

describe("a system", () => {
  failOnLeaks();

  it("has its actors up when it is open, and nothing left when it is closed, twice or at once", async () => {
    const system = await openSystem({ data: null });
    const { healthy, actors, network } = await system.health();
    expect(healthy).toBe(true);
    expect(actors.map(({ name, state, epoch }) => [name, state, epoch])).toEqual(
      ACTORS.map((name) => [name, "running", 1]),
    );
    expect(network.networking).toBe("off");
    await Promise.all([system.close(), system.close()]);
    await system.close();
    await expect(system.status("w")).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
  });

  it("leaves the first owner of a directory unharmed when a second is refused, and a sibling beside it too", async () => {
    const data = temporaryDirectory();
    await using first = await openSystem({ data });
    await expect(openSystem({ data })).rejects.toMatchObject({
      code: "STORE_OWNED",
      message: expect.stringContaining(String(process.pid)) as string,
    });
    await using sibling = await openSystem({ data: temporaryDirectory() });
    for (const system of [first, sibling]) {
      const { status, outputs } = await system.run({ workflowId: "w", ...ECHO });
      expect([status.state, outputs]).toEqual(["completed", { a: { word: "here" } }]);
    }
  });

  it("can be opened again on its directory as soon as it is closed, and knows its runs", async () => {
    const data = temporaryDirectory();
    const first = await openSystem({ data });
    await first.run({ workflowId: "w", ...ECHO });
    await first.close();
    await using second = await openSystem({ data });
    expect((await second.result("w")).outputs).toEqual({ a: { word: "here" } });
  });

  it("takes whatever is broken for a reason, and leaves nothing behind", async () => {
    const data = temporaryDirectory();
    writeFileSync(
      join(data, "queue.sqlite"),
      "this is no database, and long enough to be looked at".repeat(40),
    );
    await expect(openSystem({ data })).rejects.toMatchObject({
      code: "STORE_CORRUPT",
      message: expect.stringContaining("queue.sqlite") as string,
    });
  });

  it("runs beside the program when its supervisor does", async () => {
    await using system = await openSystem({ data: null, supervisor: "host" });
    const { status, outputs } = await system.run({
      workflowId: "w",
      steps: [
        ...ECHO.steps,
        { stepId: "b", action: "echo", inputs: { of: "${{ steps.a.output.word }}" }, dependsOn: ["a"] },
      ],
    });
    expect([status.state, outputs["b"]]).toEqual(["completed", { of: "here" }]);
  });

  it("starts actors of one's own, restarts one that is killed, and stops it for good", async () => {
    const { Adder } = await import("./modules/adder.protocol.ts");
    await using system = await openSystem({ data: null });
    const module = new URL("./modules/adder.actor.ts", import.meta.url).href;
    const adder = await system.spawn(Adder, { module, init: { start: 40 } });
    expect(await adder.call.add({ by: 2 })).toBe(42);
    await system.kill("adder");
    await adder.ready();
    expect(await adder.call.add({ by: 1 }).catch(() => adder.call.add({ by: 1 }))).toBe(41);
    await system.stopActor("adder");
    await expect(adder.call.add({ by: 1 })).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    await expect(system.stopActor("queue")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect((await system.health()).actors.map(({ name }) => name)).toEqual([...ACTORS]);
  });

  it("says for which reason it gave up, and closes all the same", async () => {
    await using system = await openSystem({ data: null, intensity: { restarts: 0, periodMs: 1_000 } });
    const failed = expect(system.failed).rejects.toMatchObject({
      code: "RESTART_INTENSITY_EXCEEDED",
      details: { child: "bootstrap" },
    });
    await system.kill("bootstrap");
    await failed;
  });

  it("counts what its threads do", async () => {
    await using system = await openSystem({ data: null });
    await system.run({ workflowId: "w", ...ECHO });
    expect(await system.queueStats()).toMatchObject({ durability: "memory", completed: 1, failed: 0 });
    expect(JSON.stringify(system.metrics())).toMatch(/[1-9]/);
  });
});

describe("the options of a system", () => {
  it("name the argument, what it is and what is allowed when it is out of range", () => {
    for (const threads of [0, 65, 1.5, Number.NaN]) {
      expect(() => resolveOptions({ threads })).toThrow(`threads is ${threads}; allowed is`);
    }
    expect(resolveOptions({ data: null, threads: 64 }).threads).toBe(64);
    expect(() => resolveOptions({ heapMb: 15 })).toThrow("heapMb is 15");
    expect(() => resolveOptions({ graceMs: -1 })).toThrow("graceMs is -1");
    expect(() => resolveOptions({ tasks: [new URL("https://example.org/x.ts")] })).toThrow(
      "https://example.org/x.ts",
    );
  });

  it("find a task module that is missing before anything is started or created", () => {
    const data = join(temporaryDirectory(), "data");
    expect(() => resolveOptions({ data, tasks: ["gone.ts"] })).toThrow(
      /gone\.ts cannot be used: there is no such file$/,
    );
    expect(() => resolveOptions({ data, tasks: [import.meta.dirname] })).toThrow(
      /cannot be used: it is no file$/,
    );
    expect(existsSync(data)).toBe(false);
    const url = pathToFileURL(STEPS);
    expect(resolveOptions({ data: null, tasks: [url, url.href, STEPS, FLIGHTS_TASKS] }).modules).toEqual([
      url.href,
      url.href,
      url.href,
      pathToFileURL(FLIGHTS_TASKS).href,
    ]);
  });

  it("name a data directory that cannot be made, and why", () => {
    const file = join(temporaryDirectory(), "file");
    writeFileSync(file, "");
    expect(() => resolveOptions({ data: file })).toThrow(`${file} cannot be written: a file is in the way`);
    expect(() => resolveOptions({ data: join(file, "below") })).toThrow(
      "cannot be written: a file is in the way",
    );
    expect(() => resolveOptions({ data: "/proc/nowhere" })).toThrow("/proc/nowhere cannot be written");
  });

  it("allow no host to be fetched from by themselves, and refuse what is none", () => {
    expect(resolveOptions({ data: null }).allowedHosts).toEqual([]);
    const allowedHosts = ["api.example.com", "10.0.0.0/8"];
    expect(resolveOptions({ data: null, allowedHosts }).allowedHosts).toEqual(allowedHosts);
    const data = join(temporaryDirectory(), "data");
    expect(() => resolveOptions({ data, allowedHosts: ["https://api.example.com"] })).toThrow(
      'an allowed host is "https://api.example.com"; allowed is a name like api.example.com',
    );
    const most = Array.from({ length: LIMITS.compute.allowedHosts }, () => "*");
    expect(resolveOptions({ data: null, allowedHosts: most }).allowedHosts).toEqual(most);
    expect(() => resolveOptions({ data, allowedHosts: [...most, "*"] })).toThrow(
      "the number of allowed hosts is 1001",
    );
    expect(existsSync(data)).toBe(false);
  });

  it("make roots real as far as they exist, and default to the working directory and the data", () => {
    const directory = temporaryDirectory();
    const { roots } = resolveOptions({ data: null, roots: [join(directory, "not", "yet"), "/"] });
    expect(roots[0]).toMatch(/\/not\/yet$/);
    expect(roots[1]).toBe("/");
    expect(resolveOptions({ data: null }).roots).toEqual([process.cwd()]);
    expect(resolveOptions({ data: directory }).roots).toHaveLength(2);
    expect(resolveOptions({ data: directory, durability: "committed" }).durability).toBe("committed");
    expect(resolveOptions({ data: null, durability: "committed" }).durability).toBe("memory");
  });
});
