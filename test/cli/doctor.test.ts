import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { probeServer } from "../../src/cli/server-probe.ts";
import { openSystem } from "../../src/index.ts";
import { checkData, measureDisk } from "../../src/system/index.ts";
import { inlined } from "../kit/inline-system.ts";
import { temporaryDirectory } from "./kit/command.ts";

const BIN = join(import.meta.dirname, "../../bin/mcplusplus.cjs");

interface Doctor {
  readonly code: number;
  readonly findings: readonly { readonly check: string; readonly state: string; readonly found: string }[];
}

/** In a process of its own: it starts the command that it is. */
async function doctor(cwd: string, ...flags: string[]): Promise<Doctor> {
  const argv = ["--conditions=mcplusplus-source", BIN, "doctor", "--json", ...flags];
  const env = { ...process.env, XDG_DATA_HOME: join(cwd, "share") };
  const read = (out: string, code: number): Doctor => ({
    code,
    ...(JSON.parse(out) as Omit<Doctor, "code">),
  });
  return promisify(execFile)(process.execPath, argv, { cwd, env }).then(
    ({ stdout }) => read(stdout, 0),
    (error: { stdout: string; code: number }) => read(error.stdout, error.code),
  );
}

const statesOf = ({ findings }: Doctor): string[] => findings.map(({ check, state }) => `${check}: ${state}`);

describe("doctor", () => {
  it("speaks to the server in both eras, and finds damage in a data directory and in modules", async () => {
    const directory = temporaryDirectory();
    const system = await openSystem(inlined({ data: join(directory, ".mcplusplus") }));
    await system.tasks.submit({ id: "a", action: "echo", input: { text: "x".repeat(50_000) } });
    await system.close();
    const well = await doctor(directory);
    expect([well.code, ...statesOf(well)]).toEqual([
      0,
      "node: ok",
      expect.stringMatching(/^threads: /),
      "configuration: ok",
      "data: ok",
      expect.stringMatching(/^disk: /),
      "store: ok",
      "store: ok",
      "store: ok",
      "server 2025-11-25: ok",
      "server 2026-07-28: ok",
    ]);
    const queue = join(directory, ".mcplusplus", "queue.sqlite");
    const bytes = readFileSync(queue);
    writeFileSync(queue, bytes.fill(7, bytes.length - 8_192));
    const ill = await doctor(directory, "--tasks", "missing.ts");
    expect(ill.code).toBe(1);
    const wrong = ill.findings.filter(({ state }) => state === "failed");
    expect(wrong.map(({ check }) => check)).toEqual(["store", "server"]);
    expect(wrong[0]?.found).toMatch(/^queue\.sqlite, .*: /);
    expect(wrong[1]?.found).toContain("missing.ts");
  });
});

it("a server that ends at once is told with what it said last", async () => {
  const script = "console.error('first'); console.error('there is no port'); process.exitCode = 1;";
  await expect(
    probeServer([process.execPath, "--eval", script], "2026-07-28", new AbortController().signal),
  ).rejects.toMatchObject({ message: /it ended before it had answered, and said: there is no port$/ });
});

describe("the check of a data directory", () => {
  it("changes nothing, and leaves a file to the process that has it", async () => {
    const data = join(temporaryDirectory(), "data");
    const system = await openSystem(inlined({ data }));
    expect(checkData(data).map(({ name, isOwned }) => [name, isOwned])).toEqual([
      ["scheduler.sqlite", true],
      ["queue.sqlite", true],
      ["cache.sqlite", true],
    ]);
    await system.close();
    const before = readFileSync(join(data, "queue.sqlite"));
    expect(checkData(data)).toMatchObject([
      { isOwned: false, findings: [] },
      { isOwned: false, findings: [] },
      { isOwned: false, findings: [] },
    ]);
    expect(readFileSync(join(data, "queue.sqlite"))).toEqual(before);
    const { flushMs, flushMsMax, freeBytes } = measureDisk(data);
    expect(flushMs).toBeGreaterThan(0);
    expect(flushMsMax).toBeGreaterThanOrEqual(flushMs);
    expect(freeBytes).toBeGreaterThan(0);
  });

  it("says of a file that is none of ours what it is", () => {
    const data = join(temporaryDirectory(), "data");
    mkdirSync(data);
    writeFileSync(
      join(data, "queue.sqlite"),
      "not a database, and longer than its header of a hundred bytes".repeat(9),
    );
    expect(checkData(data)).toMatchObject([
      { name: "queue.sqlite", findings: [expect.stringContaining("damaged")] },
    ]);
  });
});

describe("a server that is probed", () => {
  const probe = (script: string) =>
    probeServer([process.execPath, "-e", script], "2025-11-25", new AbortController().signal);
  const answering = (more: string) => `
    require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const { id, method } = JSON.parse(line);
      if (id === undefined) return;
      ${more}
      const result = method === "tools/list" ? { tools: [{}] } : {};
      console.log(JSON.stringify({ jsonrpc: "2.0", id, result }));
    });`;

  it("is told by what a client sees of it", async () => {
    const seen = await probe(answering(""));
    expect(seen).toMatchObject({ era: "2025-11-25", tools: 1, exitCode: 0 });
    expect(seen.firstAnswerMs).toBeGreaterThan(0);
  });

  it.each([
    ["ends", `process.exit(3)`, "it ended before it had answered"],
    ["prints something else", `console.log("hello")`, "it prints what is no message: hello"],
    [
      "refuses",
      `return console.log(JSON.stringify({ jsonrpc: "2.0", id, error: { code: -1 } }))`,
      'it answers initialize with {"code":-1}',
    ],
  ])("and %s is told by that", async (_, more, why) => {
    await expect(probe(answering(more))).rejects.toMatchObject({ code: "UNAVAILABLE", details: { why } });
  });

  it("and cannot be started is told by that", async () => {
    const none = probeServer(["/nowhere/at-all"], "2025-11-25", new AbortController().signal);
    await expect(none).rejects.toThrow("ENOENT");
  });
});
