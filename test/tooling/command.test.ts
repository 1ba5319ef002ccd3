import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const ROOT = new URL("../..", import.meta.url).pathname;

/** Makes the running Node say that it is an old one, before the file under test is read. */
const PRETEND_OLD = `
  Object.defineProperty(process, "version", { value: "v20.20.2" });
  Object.defineProperty(process, "versions", { value: { node: "20.20.2" } });
`;

const main = (place: string, code: number): string =>
  `export async function main(argv) { process.stdout.write("${place} " + argv.join(" ")); return ${code}; }`;

describe("the command", () => {
  let folder = "";

  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };

  const run = (file: string, flags: readonly string[] = [], words: readonly string[] = []) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, join(folder, file), ...words], {
      encoding: "utf8",
      env: { XDG_CACHE_HOME: join(folder, "cache") },
    });
    return { status, stdout, stderr };
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "command-"));
    put("pretend-old.cjs", PRETEND_OLD);
    put(
      "package.json",
      JSON.stringify({
        version: "0.0.0",
        type: "module",
        exports: { ".": { private: "./src/index.ts", default: "./dist/index.js" } },
      }),
    );
    for (const file of ["bin/mcplusplus.cjs", "bin/node-version.cjs", "scripts/need24.cjs"])
      cpSync(join(ROOT, file), join(folder, file));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("says in one sentence what an old Node lacks and how to run the same words with a newer one", () => {
    const { status, stdout, stderr } = run(
      "bin/mcplusplus.cjs",
      ["--require", join(folder, "pretend-old.cjs")],
      ["mcp"],
    );
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toBe(
      "mcplusplus needs Node 24 or newer; this is v20.20.2: install a newer Node, or run it once with " +
        "`npx -p node@24 -p mcplusplus mcplusplus mcp`\n",
    );
  });

  it("runs the built command line in a package and ends with its exit code", () => {
    put("dist/cli/main.js", main("built", 3));
    expect(run("bin/mcplusplus.cjs", [], ["run", "x"])).toEqual({
      status: 3,
      stdout: "built run x",
      stderr: "",
    });
  });

  it("does not pass for a success when nothing is left to wait for before the command has ended", () => {
    put("dist/cli/main.js", "export const main = () => new Promise(() => undefined);");
    expect(run("bin/mcplusplus.cjs")).toMatchObject({ status: 1, stdout: "" });
  });

  it("runs the sources in a clone, whatever an earlier build left", () => {
    put("dist/cli/main.js", main("built", 0));
    put("src/cli/main.ts", main("source", 0));
    const { status, stdout, stderr } = run("bin/mcplusplus.cjs", ["--conditions=private"], ["run"]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: "source run" });
    expect(stderr).toBe("");
  });

  it("warns in a clone when the package cannot find itself by name", () => {
    put("src/cli/main.ts", main("source", 0));
    const { status, stderr } = run("bin/mcplusplus.cjs");
    expect(status).toBe(0);
    expect(stderr).toMatch(/^mcplusplus: task modules that import "mcplusplus" are not found this way .*\n$/);
  });

  it("ends with 1 and the reason when the command line throws", () => {
    put("dist/cli/main.js", 'export async function main() { throw new Error("broken on purpose"); }');
    const { status, stderr } = run("bin/mcplusplus.cjs");
    expect(status).toBe(1);
    expect(stderr).toContain("mcplusplus: Error: broken on purpose");
  });

  it("is guarded in npm scripts, which fall back to an old Node in silence", () => {
    const old = run("scripts/need24.cjs", ["--require", join(folder, "pretend-old.cjs")]);
    expect(old.status).toBe(1);
    expect(old.stderr).toMatch(/^mcplusplus needs Node 24 or newer; this is v20\.20\.2: [^\n]+\n$/);
    expect(run("scripts/need24.cjs")).toEqual({ status: 0, stdout: "", stderr: "" });
  });
});
