import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = new URL("../..", import.meta.url).pathname;

/** One offence per line, so that each is found by its place. */
const TREE: Record<string, readonly string[]> = {
  "src/queue/order.core.ts": [
    "export const wall = (): number => Date.now();",
    "export const chance = (): number => Math.random();",
    "export const monotonic = (): number => performance.now();",
    "export const timer = (run: () => void): unknown => setTimeout(run, 1);",
    "export const turn = (run: () => void): unknown => setImmediate(run);",
    'import { randomUUID } from "node:crypto";',
    'import { readFileSync } from "node:fs";',
    "export const used = [randomUUID, readFileSync];",
  ],
  "src/cache/eviction-core.ts": ["export const wall = (): number => Date.now();"],
  "src/queue/shell.ts": [
    "export const wall = (): number => Date.now();",
    "export const blocked = (cell: Int32Array): string => Atomics.wait(cell, 0, 0);",
    'export const say = (): void => console.log("text");',
  ],
  "test/queue.test.ts": [
    'import { it } from "vitest";',
    'it("should keep the order", () => {});',
    'it.only("keeps the order", () => {});',
  ],
};

interface Finding {
  readonly code: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

/** Runs the linter with the project's own rules over the planted tree: each finding as `file:line rule`. */
function lint(folder: string): Promise<readonly string[]> {
  const command = join(ROOT, "node_modules/oxlint/bin/oxlint");
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [command, "--format=json"], { cwd: folder }, (error, stdout) => {
      // The linter exits with 1 when it found something, which is what is wanted here.
      if (error && stdout === "") return reject(new Error("the linter did not run", { cause: error }));
      const { diagnostics } = JSON.parse(stdout) as { diagnostics: readonly Finding[] };
      resolve(diagnostics.map(({ code, filename, labels }) => `${filename}:${labels[0]?.span.line} ${code}`));
    });
  });
}

describe("the lint rules", () => {
  let folder = "";
  let found: readonly string[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "lint-"));
    cpSync(join(ROOT, ".oxlintrc.json"), join(folder, ".oxlintrc.json"));
    for (const [path, lines] of Object.entries(TREE)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), lines.join("\n"));
    }
    found = await lint(folder);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ["a core that reads the wall clock", "src/queue/order.core.ts:1 eslint(no-restricted-properties)"],
    ["a core that throws dice", "src/queue/order.core.ts:2 eslint(no-restricted-properties)"],
    ["a core that reads the monotonic clock", "src/queue/order.core.ts:3 eslint(no-restricted-globals)"],
    ["a core that sets a timer", "src/queue/order.core.ts:4 eslint(no-restricted-globals)"],
    ["a core that takes a turn", "src/queue/order.core.ts:5 eslint(no-restricted-globals)"],
    ["a core that makes random names", "src/queue/order.core.ts:6 eslint(no-restricted-imports)"],
    ["a core that reads files", "src/queue/order.core.ts:7 eslint(no-restricted-imports)"],
    [
      "a core by either spelling of its name",
      "src/cache/eviction-core.ts:1 eslint(no-restricted-properties)",
    ],
    ["a wait that blocks an event loop", "src/queue/shell.ts:2 eslint(no-restricted-properties)"],
    ["a text written to the console", "src/queue/shell.ts:3 eslint(no-console)"],
    ["a test title that is a wish and no law", "test/queue.test.ts:2 vitest(valid-title)"],
    ["a test that silences all others", "test/queue.test.ts:3 vitest(no-focused-tests)"],
  ])("report %s", (_what, finding) => {
    expect(found).toContain(finding);
  });

  it("let a shell read the clock, which is its duty", () => {
    expect(found.filter((finding) => finding.startsWith("src/queue/shell.ts:1 "))).toEqual([]);
  });
});
