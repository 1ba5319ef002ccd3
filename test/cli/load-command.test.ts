import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { run, temporaryDirectory } from "./kit/command.ts";

const QUICK = [
  "--rate",
  "100",
  "--duration",
  "1",
  "--warmup",
  "0",
  "--durability",
  "memory",
  "--threads",
  "1",
];

describe("mcplusplus load", () => {
  it("puts a load on a queue, says how it bore it, and writes both reports", async () => {
    const out = join(temporaryDirectory(), "out");
    const ended = await run("load", ...QUICK, "--out", out);
    expect([ended.code, ended.err]).toEqual([0, ""]);
    expect(ended.out).toContain("100/s, durability memory: 100 offered, 100 completed");
    expect(ended.out).toContain("check passed: 100 acknowledged, each ended once\n");
    expect(ended.out).toContain(`wrote ${join(out, "load.json")}\nwrote ${join(out, "load.html")}\n`);
    expect(JSON.parse(readFileSync(join(out, "load.json"), "utf8"))).toMatchObject({
      suite: "load",
      conditions: { ratePerSecond: 100, durationS: 1, action: "echo", payloadBytes: 100, pace: "timer" },
      check: { passed: true },
    });
    expect(readFileSync(join(out, "load.html"), "utf8")).toContain("100 requests a second");
  });

  it("with --json prints the document of load.json and nothing else", async () => {
    const out = temporaryDirectory();
    const ended = await run("load", ...QUICK, "--payload-bytes", "0", "--out", out, "--json");
    expect([ended.code, ended.err]).toEqual([0, ""]);
    expect(ended.out.trim().split("\n")).toHaveLength(1);
    expect(JSON.parse(ended.out)).toEqual(JSON.parse(readFileSync(join(out, "load.json"), "utf8")));
  });

  it("Ctrl-C stops the arrivals, reports what was measured, and exits with 130", async () => {
    const out = temporaryDirectory();
    const listening = process.listenerCount("SIGINT");
    const running = run(
      "load",
      "--duration",
      "3600",
      "--durability",
      "memory",
      "--threads",
      "1",
      "--out",
      out,
    );
    const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
    const state = { isOver: false };
    void running.finally(() => (state.isOver = true));
    while (process.listenerCount("SIGINT") === listening && !state.isOver) await turn();
    process.emit("SIGINT", "SIGINT");
    const ended = await running;
    expect([ended.code, ended.err]).toEqual([130, ""]);
    expect(ended.out).toMatch(/^stopping: what is under way is waited for/);
    expect(ended.out).toContain("It was interrupted");
    expect(JSON.parse(readFileSync(join(out, "load.json"), "utf8"))).toMatchObject({ interrupted: true });
    expect(process.listenerCount("SIGINT")).toBe(listening);
  });

  it.each([
    [["x"], '"x" is one operand too many; allowed is mcplusplus load'],
    [["--rate", "0"], "--rate is 0; allowed is an integer from 1 to 1000000"],
    [["--rate", "fast"], `--rate is "fast"; allowed is a whole number`],
    [["--duration", "86401"], "--duration is 86401; allowed is an integer from 1 to 86400"],
    [["--warmup", "3601"], "--warmup is 3601; allowed is an integer from 0 to 3600"],
    [["--outstanding", "12001"], "--outstanding is 12001; allowed is an integer from 1 to 12000"],
    [["--payload-bytes", "900001"], "--payload-bytes is 900001; allowed is an integer from 0 to 900000"],
    [["--p99", "5"], "--p99 is given without --sweep; allowed is with --sweep"],
    [["--sweep", "--p99", "0"], "--p99 is 0; allowed is an integer from 1 to 3600000"],
    [["--pace", "walk"], `--pace is "walk"; allowed is one of timer, spin`],
    [["--durability", "hope"], `--durability is "hope"; allowed is one of flushed, committed, memory`],
    [
      ["--durability", "memory", "--data", "d"],
      "--data is given with --durability memory; allowed is a durability that writes: flushed or committed",
    ],
    [
      ["--rate", "1000000", "--duration", "99", "--warmup", "2"],
      "--rate with --duration and --warmup is 101000000 requests in all; allowed is at most 100000000: a lower rate, or less time",
    ],
  ])("refuses %j in one sentence before anything is started", async (argv, sentence) => {
    const ended = await run("load", ...argv);
    expect(ended).toEqual({ code: 2, out: "", err: `mcplusplus: ${sentence}\n` });
  });

  it("looks first whether its reports can be written", async () => {
    const file = join(temporaryDirectory(), "file");
    writeFileSync(file, "");
    const ended = await run("load", ...QUICK, "--out", file);
    expect(ended).toEqual({
      code: 1,
      out: "",
      err: `mcplusplus: ${file} cannot be written: it is no directory\n`,
    });
  });

  it("says in one sentence that an action is unknown, and writes no report", async () => {
    const out = join(temporaryDirectory(), "out");
    const ended = await run("load", ...QUICK, "--action", "nope", "--out", out);
    expect(ended.code).toBe(1);
    expect(ended.err).toMatch(/^mcplusplus: there is no action "nope"; there are: echo, /);
    expect(existsSync(out)).toBe(false);
  });
});
