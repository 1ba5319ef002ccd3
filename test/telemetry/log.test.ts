import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { LIMITS, fault } from "../../src/errors/index.ts";
import {
  createLog,
  createMetricsBlock,
  readMetrics,
  type LogFields,
  type LogOptions,
} from "../../src/telemetry/index.ts";

const clock = { wallNow: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678) };

function recording(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const log = createLog({ component: "queue", clock, sink: (line) => lines.push(line), ...options });
  const last = (): Record<string, unknown> => JSON.parse(lines.at(-1) ?? "null") as Record<string, unknown>;
  return { log, lines, last };
}

const written = (fields: LogFields): Record<string, unknown> => {
  const { log, last } = recording();
  log.info("x", fields);
  return last();
};

describe("a log record", () => {
  it("is one line of JSON with time, level, component, message and the fields", () => {
    const { log, lines, last } = recording();
    log.warn("the disk\nis nearly full", { freeBytes: 12 });
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain("\n");
    expect(last()).toEqual({
      time: "2026-01-02T03:04:05.678Z",
      level: "warn",
      component: "queue",
      message: "the disk\nis nearly full",
      freeBytes: 12,
    });
  });

  it("below the level is not made", () => {
    const { log, lines } = recording({ level: "warn" });
    log.debug("a");
    log.info("b");
    log.warn("c");
    log.error("d");
    expect(lines.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual(["c", "d"]);
  });

  it("of a child carries the fields of its parents, and its own component", () => {
    const { log, last } = recording();
    log.child({ component: "worker", run: "r1" }).child({ step: "s1" }).info("started", { attempt: 2 });
    expect(last()).toMatchObject({ component: "worker", run: "r1", step: "s1", attempt: 2 });
  });

  it("keeps its own keys when a field has the same name", () => {
    expect(written({ message: "field", level: 7 })).toMatchObject({
      message: "x",
      level: "info",
      _message: "field",
      _level: 7,
    });
  });

  it("holds no secret, at any depth", () => {
    const line = JSON.stringify(
      written({
        apiKey: "k1",
        headers: { Authorization: "k2", list: [{ db_password: "k3" }] },
        accessToken: "k4",
        api_key: { a: "k5" },
      }),
    );
    expect(line).not.toMatch(/k[1-5]/);
    expect(line.match(/\[redacted\]/g)).toHaveLength(5);
  });

  it("writes a fault or a cancellation in wire form, and the stack of a defect only", () => {
    const expected = written({ error: fault("LEASE_LOST", { taskId: "t1" }, { cause: new Error("below") }) });
    expect(expected["error"]).toMatchObject({
      code: "LEASE_LOST",
      details: { taskId: "t1" },
      cause: { code: "DEFECT" },
    });
    expect(JSON.stringify(expected)).not.toContain("log.test.ts");
    expect(written({ error: new DOMException("stop", "AbortError") })["error"]).not.toHaveProperty("stack");
    expect(written({ error: new TypeError("bug") })["error"]).toMatchObject({
      code: "DEFECT",
      message: "TypeError: bug",
      stack: expect.stringContaining("log.test.ts") as string,
    });
  });

  it("shows values that JSON has no word for, and leaves undefined ones out", () => {
    const odd = Object.assign(new Error("odd"), { stack: undefined });
    expect(
      written({
        big: 10n ** 20n,
        nan: Number.NaN,
        when: new Date(0),
        never: new Date(Number.NaN),
        bytes: new Uint8Array(3),
        run: () => 1,
        list: [undefined, null, true],
        none: undefined,
        odd,
      }),
    ).toEqual({
      ...written({}),
      big: "100000000000000000000",
      nan: "NaN",
      when: "1970-01-01T00:00:00.000Z",
      never: "[invalid date]",
      bytes: "[3 bytes]",
      run: "[function]",
      list: [null, null, true],
      odd: expect.objectContaining({ stack: "" }) as object,
    });
  });

  it("is bounded in length, depth and breadth, and says what it left out", () => {
    const endless: Record<string, unknown> = {};
    endless["self"] = endless;
    const wide = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`k${index}`, index]));
    const { log, lines, last } = recording();
    log.info("y".repeat(100_000), {
      endless,
      wide,
      list: Array.from({ length: 60 }, () => 1),
      ...Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`long${index}`, "z".repeat(50_000)])),
    });
    expect(lines[0]?.length).toBeLessThanOrEqual(LIMITS.telemetry.lineChars);
    expect(last()["message"]).toMatch(/^y+… \(100000 characters\)$/);
    expect(last()["wide"]).toMatchObject({ k49: 49, more: 10 });
    expect((last()["list"] as unknown[]).at(-1)).toBe("[10 more]");
    expect(JSON.stringify(last()["endless"])).toContain("[too deep]");
    expect(last()["fieldsLeftOut"]).toBeGreaterThan(0);
  });

  it("that its sink or a field refuses is lost and counted, and disturbs nobody", () => {
    const metrics = createMetricsBlock();
    const refusing = () => {
      throw new Error("EAGAIN");
    };
    createLog({ component: "a", clock, sink: refusing, metrics }).error("lost");
    createLog({ component: "a", clock, sink: refusing }).error("lost without a counter");
    recording({ metrics }).log.info("lost too", {
      get trap(): string {
        throw new Error("getter");
      },
    });
    expect(readMetrics([metrics.buffer]).counters.logRecordsDropped).toBe(2);
  });
});

describe("the human form of a record", () => {
  it("is one line without control characters", () => {
    const { log, lines } = recording({ format: "human" });
    log.error("bad \u001b[2J\nthing", { task: "t1", "a\nb": { deep: 1 } });
    log.info(
      "w".repeat(100),
      Object.fromEntries(Array.from({ length: 5 }, (_, index) => [`f${index}`, "z".repeat(2_000)])),
    );
    expect(lines[0]).toBe('2026-01-02T03:04:05.678Z ERROR queue: bad  [2J thing task="t1" a b={"deep":1}');
    expect(lines[1]).toMatch(/ fieldsLeftOut=2$/);
  });
});

describe("the default sink", () => {
  it("writes to standard error and never to standard output", () => {
    const door = new URL("../../src/telemetry/index.ts", import.meta.url).href;
    const script = `const { createLog } = await import(${JSON.stringify(door)});
      createLog({ component: "c", clock: { wallNow: () => 0 } }).info("hello");`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
    });
    expect(stdout).toBe("");
    expect(JSON.parse(stderr)).toMatchObject({ component: "c", message: "hello" });
  });
});
