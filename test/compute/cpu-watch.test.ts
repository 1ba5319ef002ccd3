import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { packValue } from "../../src/codec/index.ts";
import { handler, openPool, type RunOutcome } from "../../src/compute/index.ts";
import { systemClock } from "../../src/scope/index.ts";
import { createLog } from "../../src/telemetry/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import "./attempt-kit.ts";

const MODULE = pathToFileURL(join(import.meta.dirname, "modules/computes.tasks.ts")).href;

describe("a handler that bounds its processor time", () => {
  failOnLeaks();

  const open = () => {
    const pool = openPool({
      modules: [MODULE],
      threads: 2,
      heapMb: 64,
      graceMs: 20,
      blobsDirectory: null,
      roots: [],
      allowedHosts: [],
      clock: systemClock,
      log: createLog({ component: "pool", clock: systemClock, sink: () => {} }),
      onProgress: () => {},
    });
    let token = 0;
    const run = (action: string, input: unknown): Promise<RunOutcome> => {
      token += 1;
      const task = { taskId: `t${token}`, token, action, input: packValue(input), timeoutMs: Infinity };
      return pool.run({ ...task, attempt: 1, place: "thread" });
    };
    return { pool, run };
  };

  it("is ended and charged when it computes for longer, beside a neighbour that goes on", async () => {
    const { pool, run } = open();
    const neighbour = run("waitsFor", { ms: 200 });
    expect(await run("spinsFor", { ms: 60_000 })).toMatchObject({
      kind: "failed",
      error: { code: "HANDLER_CPU_EXCEEDED", details: { action: "spinsFor", cpuMs: 100 } },
    });
    expect([await neighbour, await run("spinsFor", { ms: 1 })]).toMatchObject([
      { kind: "completed" },
      { kind: "completed" },
    ]);
    await pool.close({ graceMs: 0 });
  });

  it("may wait for longer than it may compute", async () => {
    const { pool, run } = open();
    expect(await run("waitsFor", { ms: 400 })).toMatchObject({ kind: "completed" });
    await pool.close({ graceMs: 0 });
  });

  it("has its thread alone, and a bound above zero", () => {
    const run = (): null => null;
    expect(() => handler({ cpuMs: 0, run })).toThrow(
      "cpuMs is 0; allowed is a number of milliseconds above 0",
    );
    expect(() => handler({ cpuMs: 5, isolation: "shared", run })).toThrow(
      /^cpuMs is 5 with isolation "shared"/,
    );
  });
});
