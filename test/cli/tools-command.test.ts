import { describe, expect, it } from "vitest";
import { TOOLS } from "../../src/tools/index.ts";
import { run } from "./kit/command.ts";

interface Listed {
  readonly name: string;
  readonly annotations: { readonly readOnlyHint: boolean };
  readonly input_schema: { readonly type: string };
}

const listed = async (...argv: string[]): Promise<Listed[]> =>
  (JSON.parse((await run("tools", "--json", ...argv)).out) as { tools: Listed[] }).tools;

describe("tools", () => {
  it("lists what a server offers, and only that, with the schemas of their arguments", async () => {
    const all = await listed();
    expect(all).toHaveLength(26);
    expect(all.every(({ input_schema: schema }) => schema.type === "object")).toBe(true);
    const reading = await listed("--toolsets", "cache,runs", "--read-only");
    expect(reading.length).toBeGreaterThan(0);
    expect(reading.every(({ annotations }) => annotations.readOnlyHint)).toBe(true);
    const { out } = await run("tools", "--toolsets", "cache");
    expect(out).toMatch(/^TOOL +EFFECT +CATEGORY +TITLE\n/);
    expect(out).toMatch(/\ncache_clear +destroys +/);
    expect(out).toMatch(/\n4 tools\n$/);
  });

  it("shows one tool with its arguments, whose names are told when there is none", async () => {
    const { out } = await run("tools", "task_submit");
    expect(out).toMatch(/^task_submit: /);
    expect(out).toMatch(/\ntask_id +string +needed +/);
    expect(out).toMatch(/\npriority +number +1 +/);
    expect(await listed("task_submit")).toMatchObject([{ name: "task_submit" }]);
    const unknown = await run("tools", "task_sbmit");
    expect([unknown.code, unknown.err]).toEqual([
      2,
      expect.stringContaining('there is no tool "task_sbmit"'),
    ]);
    expect(TOOLS.length).toBeGreaterThan(26);
  });
});
