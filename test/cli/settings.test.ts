import { mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { run, temporaryDirectory } from "./kit/command.ts";

/** Where the user's own configuration would be. */
let home: string;

beforeEach(() => {
  home = temporaryDirectory();
  vi.stubEnv("XDG_CONFIG_HOME", home);
});
afterEach(() => void vi.unstubAllEnvs());

function configFile(content: unknown, path = join(temporaryDirectory(), "server.json")): string {
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

interface Row {
  readonly setting: string;
  readonly value: unknown;
  readonly source: string;
}

/** The settings that do not have their defaults, and the file. */
async function shown(...argv: string[]): Promise<{ settings: Record<string, Row>; file: string | null }> {
  const { code, out } = await run("config", "--json", ...argv);
  expect(code).toBe(0);
  const { settings, file } = JSON.parse(out) as { settings: Row[]; file: string | null };
  const set = settings.filter(({ source }) => source !== "default").map((row) => [row.setting, row] as const);
  return { settings: Object.fromEntries(set), file };
}

describe("a setting", () => {
  it("is what the command line says, else the environment, else the file, and its source is shown", async () => {
    const file = configFile({ threads: 3, toolsets: "runs", "heap-mb": 64 });
    vi.stubEnv("MCPLUSPLUS_THREADS", "4");
    vi.stubEnv("MCPLUSPLUS_TOOLSETS", "cache");
    const { settings, file: named } = await shown("--config", file, "--toolsets", "workflow");
    expect(settings).toEqual({
      toolsets: { setting: "toolsets", value: "workflow", source: "--toolsets" },
      threads: { setting: "threads", value: "4", source: "MCPLUSPLUS_THREADS" },
      "heap-mb": { setting: "heap-mb", value: "64", source: file },
    });
    expect(named).toBe(file);
  });

  it("is refused by the place where it stands when it is no number, also by a command that only shows it", async () => {
    vi.stubEnv("MCPLUSPLUS_THREADS", "x");
    expect(await run("config")).toMatchObject({
      code: 2,
      err: 'mcplusplus: MCPLUSPLUS_THREADS is "x"; allowed is a whole number\n',
    });
    const file = configFile({ "heap-mb": 1.5 });
    const { code, err } = await run("config", "--threads", "2", "--config", file);
    expect([code, err]).toEqual([2, expect.stringContaining(`heap-mb in ${file} is "1.5"`)]);
  });

  it("stands in the user's own file, unless another one is named by an option or a variable", async () => {
    expect(await shown()).toEqual({ settings: {}, file: null });
    const own = join(home, "mcplusplus", "config.json");
    mkdirSync(join(home, "mcplusplus"));
    configFile({ threads: 1 }, own);
    expect(await shown()).toMatchObject({ settings: { threads: { value: "1" } }, file: own });
    const [named, other] = [configFile({ threads: 2 }), configFile({})];
    vi.stubEnv("MCPLUSPLUS_CONFIG", named);
    expect(await shown()).toMatchObject({ settings: { threads: { value: "2" } }, file: named });
    expect(await shown("--config", other)).toEqual({ settings: {}, file: other });
  });

  it("that is a path is relative to the file it stands in; lists are lists there, and separated in a variable", async () => {
    const directory = temporaryDirectory();
    const file = configFile(
      { data: "d", tasks: ["./a.ts", "/b.ts"], "allow-host": "example.org", "read-only": true },
      join(directory, "c.json"),
    );
    vi.stubEnv("MCPLUSPLUS_ROOT", ["/x", "y"].join(delimiter));
    const { settings } = await shown("--config", file);
    expect(Object.values(settings).map(({ setting, value }) => [setting, value])).toEqual([
      ["tasks", [join(directory, "a.ts"), "/b.ts"]],
      ["data", join(directory, "d")],
      ["root", ["/x", "y"]],
      ["allow-host", ["example.org"]],
      ["read-only", true],
    ]);
    vi.stubEnv("MCPLUSPLUS_READ_ONLY", "0");
    vi.stubEnv("MCPLUSPLUS_ALLOW_HOST", "a.org,b.org");
    const { settings: others } = await shown("--config", file);
    expect([others["read-only"]?.value, others["allow-host"]?.value]).toEqual([false, ["a.org", "b.org"]]);
  });

  it("is for the commands that have an option for it: a load test does not fill the user's data", async () => {
    const data = join(home, "precious");
    vi.stubEnv("MCPLUSPLUS_DATA", data);
    const listed = await run("task", "list");
    expect([listed.code, listed.err]).toEqual([1, expect.stringContaining(data)]);
    const loaded = await run("load", "--config", configFile({}), "--pace", "fast");
    expect(loaded.err).not.toContain(data);
  });

  it.each([
    ["{", /cannot be read: it is no JSON: /],
    [[], /cannot be read: it holds no JSON object/],
    [
      { thread: 2 },
      /there is no setting in .*server\.json: "thread"; there are: threads \(did you mean that\?\), /,
    ],
    [{ threads: "2" }, /threads in .*server\.json is "2"; allowed is a number/],
    [{ tasks: [1] }, /tasks in .*server\.json is 1; allowed is a text, or a list of them/],
    [{ toolsets: ["runs"] }, /toolsets in .*server\.json is an array of 1; allowed is a text/],
    [{ "read-only": "yes" }, /read-only in .*server\.json is "yes"; allowed is true or false/],
  ])(
    "in a file that holds %j is refused with one sentence, before anything begins",
    async (content, sentence) => {
      const { code, err } = await run("config", "--config", configFile(content));
      expect(code).toBeGreaterThan(0);
      expect(err).toMatch(sentence);
      expect(err).toMatch(/^mcplusplus: [^\n]+\n$/);
    },
  );

  it("that is out of range is refused with the name of the place where it stands", async () => {
    const file = configFile({ threads: 65 });
    const inFile = await run("run", "x.json", "--config", file);
    expect(inFile.err).toContain(`threads in ${file} is 65; allowed is an integer from 1 to 64`);
    vi.stubEnv("MCPLUSPLUS_THREADS", "0");
    const inVariable = await run("run", "x.json", "--config", file);
    expect(inVariable.err).toContain("MCPLUSPLUS_THREADS is 0; allowed is an integer from 1 to 64");
    vi.stubEnv("MCPLUSPLUS_READ_ONLY", "maybe");
    const asSwitch = await run("config");
    expect(asSwitch.err).toContain('MCPLUSPLUS_READ_ONLY is "maybe"; allowed is 1, true, 0 or false');
  });

  it("file that was named and is not there is one sentence", async () => {
    const { code, err } = await run("config", "--config", join(home, "none.json"));
    expect([code, err]).toEqual([1, expect.stringContaining("there is no such file")]);
  });
});

it("config shows every setting as a table for people, with the file that was looked for", async () => {
  const { out } = await run("config", "--threads", "2");
  expect(out).toMatch(/^setting +value +from\n/);
  expect(out).toMatch(/\nthreads +2 +--threads\n/);
  expect(out).toMatch(/\ndata +- +default\n/);
  expect(out).toContain(`file: none (looked for ${join(home, "mcplusplus", "config.json")})`);
});
