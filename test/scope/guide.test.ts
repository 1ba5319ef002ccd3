import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";

const room = new URL("../../src/scope/index.ts", import.meta.url);
const guide = await readFile(new URL("../../docs/guide/scopes.md", import.meta.url), "utf8");

/** Each program of the guide, with what the guide says it prints. */
const examples = [...guide.matchAll(/```ts\n(.*?)```\n+```text\n(.*?)```/gs)].map(
  ([, program = "", prints = ""]) => ({
    program: program.replaceAll('"mcplusplus"', JSON.stringify(room.href)),
    prints,
  }),
);

/** Every numbered law of the guide. */
const laws = [...guide.matchAll(/^\d+\. (.+)$/gm)].map(([, law = ""]) => law);

describe("the guide to scopes", () => {
  it("shows two examples, before and after", () => {
    expect(examples).toHaveLength(4);
  });

  it.each(examples)("prints what it says: example %#", async ({ program, prints }) => {
    const folder = await mkdtemp(join(tmpdir(), "scopes-guide-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, "example.mts");
    await writeFile(file, program);
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [file]);
    expect(stderr).toBe("");
    expect(stdout).toBe(prints);
  });

  it("states laws that are all titles of tests", async () => {
    const here = new URL(".", import.meta.url);
    const files = (await readdir(here)).filter((name) => name.endsWith(".test.ts"));
    const tests = (await Promise.all(files.map((name) => readFile(new URL(name, here), "utf8")))).join("\n");
    expect(laws).toHaveLength(18);
    expect(laws.filter((law) => !tests.includes(`it("${law}"`))).toEqual([]);
  });
});
