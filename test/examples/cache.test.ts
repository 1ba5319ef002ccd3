import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");

it("the cache example computes once, tells a null from nothing, invalidates, and ends", async () => {
  const program = ["--conditions=mcplusplus-source", "docs/examples/cache.ts"];
  const { stdout } = await run(process.execPath, program, { cwd: ROOT });
  expect(stdout.trimEnd().split("\n")).toEqual([
    "10 callers, 1 computation: user 7",
    "user:8 is null",
    "user:9 is undefined",
    "2 invalidated",
    "user:7 is undefined",
    "1 hits, 3 misses, hit rate 0.25",
  ]);
});
