import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openInline } from "../kit/inline-system.ts";
import { DRILL, oneStep, run, temporaryDirectory, templateFile } from "./kit/command.ts";

/** A directory that another system owns, as a server would, and commands over it. */
async function owned(options: { readonly tasks?: readonly string[] } = {}) {
  const directory = temporaryDirectory();
  const data = join(directory, "data");
  const owner = await openInline({ data, attach: true, threads: 1, ...options });
  const command = (...argv: string[]) => run(...argv, "--data", data);
  return { directory, data, owner, command, [Symbol.asyncDispose]: () => owner.close() };
}

describe("a command on a directory that another process owns", () => {
  it("asks the owner, which carries out what it is given", async () => {
    await using kit = await owned();
    const { owner, command } = kit;
    const submitted = await command("task", "submit", "echo", "--id", "t", "--input", '{"n":1}', "--json");
    expect([submitted.code, submitted.err]).toEqual([0, ""]);
    expect((await owner.tasks.wait("t")).output).toEqual({ n: 1 });
    expect((await command("task", "list")).out).toMatch(/\nt +echo +completed /);
    expect((await command("task", "result", "t", "--json")).out).toContain('"result":{"n":1}');
    expect((await command("queue", "stats")).out).toMatch(/completed +1/);
    const waited = await command("task", "submit", "echo", "--input", '{"n":2}', "--wait");
    expect(waited.out).toMatch(/"n": 2/);
    expect(owner.role).toBe("owner");
  });

  it("runs a template in the owner to its end, and looks at it afterwards", async () => {
    await using kit = await owned();
    const { directory, owner, command } = kit;
    const template = templateFile(directory, oneStep("echo", { word: "here" }));
    const { code, out } = await command("run", template, "--json", "--out", join(directory, "out"));
    expect([code, JSON.parse(out)]).toMatchObject([0, { success: true, status: "completed" }]);
    const [summary] = (await owner.list()).runs;
    expect(summary?.state).toBe("completed");
    expect((await command("workflow", "status", summary?.workflowId ?? "")).out).toMatch(/completed/);
  });

  it("says so when it counts on handlers that the owner was started without", async () => {
    await using kit = await owned();
    const { directory, command } = kit;
    const template = templateFile(directory, oneStep("echo"));
    const { code, err } = await command("run", template, "--tasks", DRILL, "--out", join(directory, "out"));
    expect(code).toBe(1);
    expect(err).toMatch(/drill\.tasks\.ts cannot be used: process \d+, which owns .*, runs without it/);
  });

  it("has a backup made by the owner, and refuses what needs the directory for itself", async () => {
    await using kit = await owned();
    const { directory, owner, command } = kit;
    await owner.tasks.run({ id: "t", action: "echo" });
    const backup = join(directory, "backup");
    expect(await command("backup", backup)).toMatchObject({ code: 0, err: "" });
    expect(existsSync(join(backup, "manifest.json"))).toBe(true);
    for (const argv of [
      ["restore", backup, "--replace"],
      ["export", "--out", join(directory, "tasks.ndjson")],
    ]) {
      expect(await command(...argv)).toMatchObject({
        code: 1,
        err: expect.stringContaining("is in use by") as string,
      });
    }
    expect((await owner.tasks.status("t")).state).toBe("completed");
  });
});
