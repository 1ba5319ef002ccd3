import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import tasks from "../../docs/examples/embed.tasks.ts";
import type { TaskContext } from "../../src/compute/index.ts";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");

describe("the embedding example", () => {
  it("tells of its actor, its workflow and the workflow it cancelled, and then ends", async () => {
    const program = ["--conditions=mcplusplus-source", "docs/examples/embed.ts"];
    const { stdout } = await run(process.execPath, program, { cwd: ROOT });
    expect(stdout.trimEnd().split("\n")).toEqual([
      "the counter overflowed at 120",
      'primes completed: {"sum":9592}',
      expect.stringMatching(/^endless cancelled: .*it has been seen running/),
    ]);
  });

  it("looks for a cancellation while it counts", () => {
    const checkpoint = (): void => {
      throw new Error("cancelled");
    };
    const context = { checkpoint, progress: () => {} } as unknown as TaskContext;
    expect(() =>
      tasks.handlers["count_primes"]?.run({ from: 0, to: Number.MAX_SAFE_INTEGER }, context),
    ).toThrow("cancelled");
  });
});
