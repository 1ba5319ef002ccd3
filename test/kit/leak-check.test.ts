import { createServer } from "node:net";
import { MessageChannel, Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { failOnLeaks, openLeakCheck } from "./leak-check.ts";

const HOUR_MS = 3_600_000;

describe("a leak check", () => {
  it("finds nothing where nothing was left", async () => {
    expect(await openLeakCheck().leaks()).toEqual([]);
  });

  it("finds a timer, also one that does not keep the process alive, and says who set it", async () => {
    const check = openLeakCheck();
    const timer = setTimeout(() => {}, HOUR_MS);
    const unreferenced = setInterval(() => {}, HOUR_MS).unref();
    const leaks = await check.leaks();
    clearTimeout(timer);
    clearInterval(unreferenced);
    const setHere: unknown = expect.stringMatching(/^a timer set by .*leak-check\.test\.ts/);
    expect(leaks).toEqual([setHere, setHere]);
    expect(await check.leaks()).toEqual([]);
  });

  it("is not misled by a timer that ended meanwhile", async () => {
    const earlier = setTimeout(() => {}, HOUR_MS);
    const check = openLeakCheck();
    clearTimeout(earlier);
    const timer = setTimeout(() => {}, HOUR_MS);
    expect(await check.leaks()).toHaveLength(1);
    clearTimeout(timer);
  });

  it("finds a worker thread, also an unreferenced one, and waits for one that is ending", async () => {
    const check = openLeakCheck();
    const worker = new Worker("setInterval(() => {}, 1000)", { eval: true });
    worker.unref();
    expect(await check.leaks()).toContain(`worker thread ${worker.threadId}`);
    void worker.terminate();
    expect(await check.leaks()).toEqual([]);
  });

  it("finds a server and an open port", async () => {
    const check = openLeakCheck();
    const server = createServer().listen(0, "127.0.0.1");
    const { port1 } = new MessageChannel();
    port1.on("message", () => {});
    const leaks = await check.leaks();
    server.close();
    port1.close();
    expect(leaks.toSorted()).toEqual(["1 MessagePort", "1 TCPServerWrap"]);
    expect(await check.leaks()).toEqual([]);
  });

  it("does not blame a test for what was there before it", async () => {
    const timer = setTimeout(() => {}, HOUR_MS);
    const check = openLeakCheck();
    expect(await check.leaks()).toEqual([]);
    clearTimeout(timer);
  });
});

describe("failOnLeaks", () => {
  /** Runs one test body the way the runner does: set up, body, then the check. */
  const runTest = async (body: () => void): Promise<void> => {
    const checks: (() => Promise<void>)[] = [];
    failOnLeaks((setUp) => setUp({ onTestFinished: (check) => void checks.push(check) }));
    body();
    for (const check of checks) await check();
  };

  it("passes a test that leaves nothing behind", async () => {
    await expect(runTest(() => clearTimeout(setTimeout(() => {}, HOUR_MS)))).resolves.toBeUndefined();
  });

  it("fails a test that leaves a timer behind, and says so", async () => {
    let timer: NodeJS.Timeout | undefined;
    const test = runTest(() => (timer = setTimeout(() => {}, HOUR_MS)));
    await expect(test).rejects.toThrow(
      /^the test left something behind: a timer set by .*leak-check\.test\.ts/,
    );
    clearTimeout(timer);
  });
});
