import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");

it("the example of a registry runs its template from the second door of the package", async () => {
  const program = ["--conditions=mcplusplus-source", "docs/examples/greeting.ts"];
  const { stdout } = await run(process.execPath, program, { cwd: ROOT });
  expect(stdout).toBe('{"text":"hello you"}\n');
});

it("the first door of the package loads nothing that only templates need", async () => {
  const script = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    await import("mcplusplus");
    const heavy = loaded.filter((url) => /node_modules\\/(zod|yaml|semver|jsonata)\\//.test(url));
    process.stdout.write(JSON.stringify([loaded.length > 10, heavy]));
  `;
  const program = ["--conditions=mcplusplus-source", "--input-type=module", "--eval", script];
  const { stdout } = await run(process.execPath, program, { cwd: ROOT });
  expect(JSON.parse(stdout)).toEqual([true, []]);
});
