import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");

it("the example of the executor prints what its page says", async () => {
  const page = readFileSync(join(ROOT, "docs/guide/executor.md"), "utf8");
  const [, printed] = /```text\n(.*?)```/s.exec(page) ?? [];
  const program = ["--conditions=mcplusplus-source", "docs/examples/executor.ts"];
  const { stdout } = await promisify(execFile)(process.execPath, program, { cwd: ROOT });
  expect(stdout).toBe(printed);
});
