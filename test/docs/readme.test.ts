import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT, codeBlocks, readPage } from "./pages.ts";

const readme = readPage("README.md");
const blocks = codeBlocks(readme);
const { name, bin, engines, scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly name: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly engines: { readonly node: string };
  readonly scripts: Readonly<Record<string, string>>;
};

/** What npm does without a script of that name. */
const NPM_ITSELF: ReadonlySet<string> = new Set(["ci", "install", "pack"]);

describe("the README", () => {
  it("begins with the two lines that try and test the project", () => {
    const shell = blocks.filter(({ info }) => info === "sh").map(({ code }) => code);
    expect(shell.slice(0, 2)).toEqual(["npm ci && npm start\n", "npm ci && npm test\n"]);
  });

  it("calls no npm script that does not exist", () => {
    const shell = blocks.filter(({ info }) => info === "sh").map(({ code }) => code);
    const inline = [...readme.text.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);
    const called = [...shell, ...inline].flatMap((code) =>
      [...code.matchAll(/\bnpm (?:run (?:--\S+ )*)?([a-z][\w:-]*)/g)].map(([, name = ""]) => name),
    );
    expect(called).toContain("bench");
    expect(called.filter((name) => !NPM_ITSELF.has(name) && !Object.hasOwn(scripts, name))).toEqual([]);
  });

  it("shows MCP host configurations that are JSON: one that brings its Node, and one that calls a script of a clone", () => {
    const [packed, cloned] = blocks
      .filter(({ info }) => info === "json")
      .map(({ code }) => {
        const { mcpServers } = JSON.parse(code) as {
          readonly mcpServers: Readonly<
            Record<string, { readonly command: string; readonly args: readonly string[] }>
          >;
        };
        return mcpServers["mcplusplus"] ?? { command: "", args: [] };
      });
    const needed = /\d+/.exec(engines.node)?.[0];
    expect(packed?.command).toBe("npx");
    expect(packed?.args.slice(0, 7)).toEqual([
      "-y",
      "-p",
      `node@${needed}`,
      "-p",
      name,
      ...Object.keys(bin),
      "mcp",
    ]);
    expect(cloned?.command).toBe("npm");
    const args = cloned?.args ?? [];
    const [, script] = args.slice(args.indexOf("run")).filter((each) => !each.startsWith("--"));
    expect(scripts).toHaveProperty([script ?? ""]);
  });

  it("prints the program's lines as the test of the program expects them", () => {
    const expected = readFileSync(join(ROOT, "test/examples/embed.test.ts"), "utf8");
    const [, printed] = blocks.filter(({ info }) => info === "text");
    const [counter = "", primes = "", endless = ""] = printed?.code.trimEnd().split("\n") ?? [];
    expect(expected).toContain(counter);
    expect(expected).toContain(primes);
    expect(endless).toMatch(/^endless cancelled: .*it has been seen running$/);
  });
});
