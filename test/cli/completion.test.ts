import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { run } from "./kit/command.ts";

/** What bash suggests for the last of these words. */
async function suggested(...words: string[]): Promise<string[]> {
  const { out } = await run("completion", "bash");
  const script = [
    out,
    `COMP_WORDS=(${["mcplusplus", ...words].map((word) => `'${word}'`).join(" ")})`,
    `COMP_CWORD=${words.length}`,
    "_mcplusplus",
    'printf "%s\\n" "${COMPREPLY[@]}"',
  ].join("\n");
  const { stdout, stderr, status } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout.split("\n").filter(Boolean);
}

describe("completion", () => {
  it("suggests commands, then the verbs of a group, then the options of each", async () => {
    expect(await suggested("do")).toEqual(["doctor"]);
    expect(await suggested("")).toEqual(expect.arrayContaining(["run", "mcp", "task", "status", "help"]));
    expect(await suggested("task", "s")).toEqual(["submit", "status"]);
    expect(await suggested("task", "submit", "echo", "--thr")).toEqual(["--threads"]);
    expect(await suggested("run", "x.json", "--pa")).toEqual(["--param", "--page"]);
    expect(await suggested("config", "--read")).toEqual(["--read-only"]);
    expect(await suggested("cancel", "x", "--f")).toEqual(["--force"]);
    expect(await suggested("frobnicate", "")).toEqual([]);
  });

  it("is a script for each shell, and another shell is refused", async () => {
    expect((await run("completion", "zsh")).out).toMatch(/^#compdef mcplusplus\n/);
    const { out } = await run("completion", "fish");
    expect(out).toContain("complete -c mcplusplus -n '__fish_use_subcommand' -f -a run -d '");
    expect(out).toMatch(
      /-n '__fish_seen_subcommand_from task; and __fish_seen_subcommand_from submit' -l wait -d '/,
    );
    expect(await run("completion", "cmd")).toMatchObject({
      code: 2,
      err: 'mcplusplus: <shell> is "cmd"; allowed is one of bash, zsh, fish\n',
    });
  });
});
