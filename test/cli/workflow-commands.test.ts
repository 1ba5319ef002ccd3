import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { SystemOptions } from "../../src/system/index.ts";
import { openInline } from "../kit/inline-system.ts";
import { run, temporaryDirectory } from "./kit/command.ts";

const STEPS = [
  { stepId: "fetch", action: "echo", inputs: { rows: [1, 2] } },
  { stepId: "bad", action: "fail", inputs: { message: "no luck" }, dependsOn: ["fetch"] },
  { stepId: "last", action: "echo", dependsOn: ["bad"] },
];

/** A data directory in which one workflow has completed and one has failed, and commands over it. */
async function commands(more?: (data: string) => Promise<void>) {
  const directory = temporaryDirectory();
  const data = join(directory, "data");
  {
    await using system = await openInline({ data, threads: 1 });
    await system.run({ workflowId: "done", tags: ["nightly"], steps: STEPS.slice(0, 1) });
    await system.run({ workflowId: "broken", name: "Broken", steps: STEPS });
  }
  await more?.(data);
  const command = (...argv: string[]) => run(...argv, "--data", data);
  return {
    data,
    command,
    async json(...argv: string[]): Promise<Record<string, unknown>> {
      const { out } = await command(...argv, "--json");
      expect(out).toMatch(/^[^\n]+\n$/);
      return JSON.parse(out) as Record<string, unknown>;
    },
    async opened<T>(use: (system: Awaited<ReturnType<typeof openInline>>) => Promise<T>): Promise<T> {
      await using system = await openInline({ data, threads: 1 } satisfies SystemOptions);
      return await use(system);
    },
  };
}

describe("workflows on the command line", () => {
  it("are put on disk from a template, once for each id, and go by their verbs alone", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "template.json");
    const steps = [{ step_id: "only", action: "echo", inputs: { month: "${month}" } }];
    const parameters = [{ name: "month", type: "string" }];
    writeFileSync(path, JSON.stringify({ template_id: "report", name: "Report", parameters, steps }));
    const command = (...argv: string[]) => run(...argv, "--data", join(directory, "data"));
    const submitted = await command("submit", path, "--param", "month=11", "--id", "r-1");
    expect([submitted.code, submitted.err]).toEqual([0, ""]);
    const data = join(directory, "data");
    expect(submitted.out).toBe(
      `workflow r-1 is submitted\nIt is on disk in ${data}, and goes on while a process has that directory open: ` +
        `mcplusplus serve --data ${data}\n`,
    );
    const repeated = await command("submit", path, "--param", "month=11", "--id", "r-1");
    expect(repeated.out).toBe("workflow r-1 was submitted before, and is running\n");
    const again = await command("workflow", "submit", path, "--param", "month=11", "--id", "r-1", "--json");
    expect(JSON.parse(again.out)).toMatchObject({ workflow_id: "r-1", status: "running", replayed: true });
    expect((await command("list")).out).toMatch(/\nr-1 +running /);
    expect((await command("status", "r-1")).out).toMatch(/^workflow +r-1\n/);
    expect((await command("cancel", "r-1")).out).toMatch(/^workflow r-1 is cancelled: /);
    const wrong = await command("submit", path);
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringMatching(/month/)]);
    expect((await run("help", "status")).out).toContain("Usage: mcplusplus workflow status <id>");
  });

  it("are listed, shown, and told with what came out of them", async () => {
    const { command, json } = await commands();
    const listed = await command("workflow", "list");
    expect([listed.code, listed.err]).toEqual([0, ""]);
    expect(listed.out).toMatch(
      /^WORKFLOW +STATUS .*\ndone +completed +100 % +1\/1 .*\nbroken +failed .* Broken\n$/,
    );
    expect(await json("workflow", "list", "--tag", "nightly", "--status", "completed")).toMatchObject({
      success: true,
      total_count: 1,
      workflows: [{ workflow_id: "done" }],
    });
    const { out } = await command("workflow", "status", "broken");
    expect(out).toMatch(
      /^workflow +broken\nname +Broken\nstatus +failed\nfailure +step "bad" failed: .*no luck\n/,
    );
    expect(out).toMatch(
      /\nSTEP +ACTION .*\nfetch +echo +completed +100 % .*\nbad +fail +failed .*\nlast +echo +skipped /,
    );
    const done = await command("workflow", "result", "done");
    expect([done.code, done.err]).toEqual([0, ""]);
    expect(done.out).toMatch(/^workflow done completed in [\d.]+ s\n\{\n {2}"rows": \[\n/);
    const broken = await command("workflow", "result", "broken");
    expect([broken.code, broken.err]).toEqual([
      1,
      expect.stringMatching(/^mcplusplus: step "bad" failed: [^\n]+\n$/),
    ]);
    const told = await command("workflow", "history", "broken");
    expect(told.out).toMatch(/^TIME +STEP .*\n.* running .*\n/);
    expect(told.out).toMatch(/Z {2}bad +failed +1 .*no luck\n/);
    expect((await command("workflow", "logs", "broken", "bad")).out).toMatch(
      /Z attempt 1 error: Error: no luck\n {6}at /,
    );
    expect((await command("workflow", "logs", "broken", "last")).out).toBe("step last has logged nothing\n");
    expect((await command("workflow", "history", "broken", "--limit", "1")).out).toMatch(
      /\n1 of \d+; see --offset\n$/,
    );
  });

  it("say where a step ran when one ran elsewhere, and a task on which peer", async () => {
    const peer = "12D3KooWAbroad12345678";
    const { command } = await commands(async (data) => {
      await using system = await openInline({ data, threads: 1 });
      const stop = new AbortController();
      const handlers = { abroad: () => "from afar" };
      const working = system.tasks.work({ workerId: `peer:${peer}`, handlers, signal: stop.signal });
      await expect.poll(async () => (await system.tasks.workers.list()).length).toBe(2);
      const steps = [
        { stepId: "near", action: "echo" },
        { stepId: "far", action: "abroad", dependsOn: ["near"] },
      ];
      await system.run({ workflowId: "spread", steps });
      await system.tasks.run({ id: "t", action: "abroad" });
      await system.tasks.run({ id: "h", action: "echo" });
      stop.abort();
      await working;
    });
    const { out } = await command("workflow", "status", "spread");
    expect(out).toMatch(
      /\nSTEP .* ATTEMPT {2}WHERE +TOOK .*\nnear .* 1 {2}local +0.*\nfar .* 1 {2}12345678 +0/,
    );
    expect((await command("workflow", "status", "done")).out).not.toContain("WHERE");
    expect((await command("task", "status", "t")).out).toContain(`\npeer       ${peer}\n`);
    expect((await command("task", "status", "h")).out).not.toContain("peer");
  });

  it("are drawn as a table, and for other programs", async () => {
    const { command, json } = await commands();
    const table = await command("workflow", "graph", "broken");
    expect(table.out).toMatch(
      /^STEP +CRITICAL .*\nfetch +yes +completed +0 .*\nbad +yes +failed +1 .* fetch\n/,
    );
    expect(table.out).toMatch(/\ncritical path: [\d.]+ s; what has a \? is a guess\n$/);
    const drawn = async (format: string): Promise<string> =>
      (await command("workflow", "graph", "broken", "--format", format)).out;
    expect(await drawn("dot")).toMatch(/^digraph \{\n[^]*\n\}\n$/);
    expect(await drawn("mermaid")).toMatch(/^flowchart LR\n/);
    expect(JSON.parse(await drawn("json"))).toMatchObject({ levels: [["fetch"], ["bad"], ["last"]] });
    expect(await drawn("svg")).toMatch(
      /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" class="dag" [^]*<\/svg>\n$/,
    );
    const answer = await json("workflow", "graph", "broken", "--format", "svg");
    expect(answer).toMatchObject({ success: true, format: "svg", critical_path: ["fetch", "bad", "last"] });
  });

  it("are played through with a change, and nothing is run", async () => {
    const { command, json } = await commands();
    const args = [
      "workflow",
      "what-if",
      "broken",
      "--duration",
      "fetch=2",
      "--duration",
      "bad=1",
      "--without",
      "bad=fetch",
    ];
    expect(await json(...args)).toMatchObject({ success: true, after: { duration: 2, work: 3 } });
    expect((await command(...args, "--workers", "1")).out).toMatch(
      /^PLAN +WORKERS .*\nbefore +1 .*\nafter +1 +3 s +100 % .*\nsaved: -[\d.]+ s\n$/,
    );
    expect(await json("workflow", "list")).toMatchObject({ total_count: 2 });
  });

  it("are run again from disk by whoever opens the directory next", async () => {
    const { data, command, json, opened } = await commands();
    const rerun = await command("workflow", "rerun", "broken", "--as", "again");
    expect(rerun).toEqual({
      code: 0,
      out:
        "workflow again is a rerun of broken, with 1 of 3 steps taken over\n" +
        `It is on disk in ${data}, and goes on when a process opens that directory with its handlers.\n`,
      err: "",
    });
    expect(await json("workflow", "status", "again")).toMatchObject({ status: "running", origin: "broken" });
    expect((await command("workflow", "rerun", "broken", "--as", "again")).out).toBe(
      "workflow again was made before, and is running\n",
    );
    const state = await opened(async (system) => {
      await Array.fromAsync(system.watch("again"));
      return (await system.status("again")).state;
    });
    expect(state).toBe("failed");
  });

  it("that have not ended stand where they stood, and can be paused, resumed and cancelled", async () => {
    const { command, json, opened } = await commands(async (data) => {
      await using system = await openInline({ data, threads: 1 });
      const steps = [{ stepId: "wait", action: "sleep", inputs: { ms: 3_600_000 } }];
      await system.submit({ workflowId: "long", steps });
    });
    expect(await json("workflow", "status", "long")).toMatchObject({ status: "running", progress: 0 });
    expect((await command("workflow", "result", "long")).err).toMatch(
      /"long" has no result yet: it is running\n$/,
    );
    const paused = await command("workflow", "pause", "long", "--reason", "why not");
    expect(paused.out).toBe(
      "workflow long is paused, at 0 %\nIt is on disk; workflow resume lets it go on.\n",
    );
    expect(await opened((system) => system.status("long"))).toMatchObject({ state: "paused" });
    expect((await command("workflow", "resume", "long")).out).toMatch(/^workflow long is running, at 0 %\n/);
    const cancelled = await command("workflow", "cancel", "long", "--reason", "enough");
    expect(cancelled.out).toBe("workflow long is cancelled: 1 of 1 steps were cancelled, 0 had completed\n");
    expect(await opened((system) => system.status("long"))).toMatchObject({ state: "cancelled" });
    const result = await command("workflow", "result", "long");
    expect([result.code, result.err]).toEqual([130, expect.stringContaining("enough")]);
  });

  it("that have something to undo are cancelling until somebody can undo it", async () => {
    const { command, opened } = await commands(async (data) => {
      await using system = await openInline({ data, threads: 1 });
      const compensate = { action: "echo", inputs: { undone: true } };
      const wait = { stepId: "wait", action: "sleep", inputs: { ms: 3_600_000 }, dependsOn: ["did"] };
      await system.submit({
        workflowId: "undo",
        steps: [{ stepId: "did", action: "echo", compensate }, wait],
      });
      for await (const { step } of system.watch("undo"))
        if (step?.stepId === "wait" && step.state === "running") break;
    });
    const cancelled = await command("workflow", "cancel", "undo");
    expect(cancelled).toEqual({
      code: 0,
      out: "workflow undo is cancelling: 1 of 2 steps were cancelled, 1 had completed; what they did is still to be undone\n",
      err: "",
    });
    await opened((system) => Array.fromAsync(system.watch("undo")));
    expect((await command("workflow", "status", "undo")).out).toMatch(/\nstatus +cancelled\n/);
  });

  it("that need handlers of one's own are left alone by whoever only looks", async () => {
    const directory = temporaryDirectory();
    const data = join(directory, "data");
    const module = join(import.meta.dirname, "modules/drill.tasks.ts");
    {
      await using system = await openInline({ data, threads: 1, tasks: [module] });
      await system.actors.queue.call.pause({ reason: "for the test" });
      await system.submit({ workflowId: "own", steps: [{ stepId: "print", action: "prints" }] });
    }
    expect((await run("workflow", "list", "--data", data)).out).toContain("own");
    expect((await run("queue", "resume", "--data", data)).code).toBe(0);
    expect((await run("workflow", "status", "own", "--data", data)).out).toMatch(/\nstatus +running\n/);
    await using system = await openInline({ data, threads: 1, tasks: [module] });
    await Array.fromAsync(system.watch("own"));
    expect((await system.status("own")).state).toBe("completed");
  });
});

describe("a refusal about workflows", () => {
  it.each([
    [["workflow", "status"], "<id> is missing; allowed is mcplusplus workflow status <id>"],
    [["workflow"], "workflow is alone; allowed is one of workflow submit, workflow list, "],
    [
      ["workflow", "stat", "x"],
      'there is no command "workflow stat"; there are: workflow status (did you mean that?)',
    ],
    [["workflow", "list", "--status", "gone"], '--status is "gone"; allowed is one of "submitted", '],
    [["workflow", "list", "--limit", "0"], "--limit is 0; allowed is at least 1"],
    [
      ["workflow", "graph", "x", "--format", "png"],
      '--format is "png"; allowed is one of json, dot, mermaid, svg',
    ],
    [
      ["workflow", "what-if", "x"],
      "the change is missing; allowed is at least one of --new-workers, --duration, ",
    ],
    [["workflow", "what-if", "x", "--factor", "a"], '--factor is "a"; allowed is <step>=<number>'],
    [["workflow", "what-if", "x", "--factor", "a=b"], '--factor a is "b"; allowed is a number'],
    [["workflow", "what-if", "x", "--factor", "a=-1"], "--factor a is -1; allowed is at least 0"],
    [["workflow", "what-if", "x", "--new-workers", "0"], "--new-workers is 0; allowed is at least 1"],
    [["cache", "clear"], "clearing the cache cannot be taken back: confirm it with --yes"],
    [
      ["cache", "invalidate"],
      "what to remove is missing; allowed is one of the three: <key>, --tag or --pattern",
    ],
    [
      ["cache", "invalidate", "k", "--tag", "t"],
      "what to remove is given beside another; allowed is one of the three",
    ],
    [["cache", "get"], "<key> is missing; allowed is mcplusplus cache get <key>"],
  ])("for %j is one sentence with what was typed, and exit code 2", async (argv, sentence) => {
    const { code, out, err } = await run(...argv);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(/^mcplusplus: [^\n]+\n$/);
    expect(err).toContain(sentence);
  });

  it("is one line of JSON with --json, with the id that it is about", async () => {
    const { command, json } = await commands();
    expect(await json("workflow", "status", "nobody")).toEqual({
      success: false,
      error: 'there is no workflow "nobody"',
      code: "WORKFLOW_NOT_FOUND",
      retryable: false,
      workflow_id: "nobody",
    });
    expect(await command("workflow", "cancel", "done")).toEqual({
      code: 1,
      out: "",
      err: 'mcplusplus: workflow "done" is completed: it cannot be cancelled\n',
    });
    const rerun = await command("workflow", "rerun", "broken", "--from", "gone");
    expect(rerun).toMatchObject({
      code: 2,
      err: 'mcplusplus: --from is "gone"; allowed is ids of steps of the workflow\n',
    });
  });

  it("names a data directory that is not there", async () => {
    const data = join(temporaryDirectory(), "gone");
    const { code, err } = await run("workflow", "list", "--data", data);
    expect([code, err]).toEqual([
      1,
      expect.stringContaining("gone cannot be read: there is no such directory"),
    ]);
  });
});

describe("the cache on the command line", () => {
  it("is looked at and emptied", async () => {
    const { command, json, opened } = await commands();
    await opened(async ({ cache }) => {
      for (const key of ["user:7", "user:8", "page"])
        await cache.put(key, { key }, { ttlMs: 60_000, tags: ["t"] });
    });
    expect((await command("cache", "stats")).out).toMatch(
      /^entries +3\nsize +\d+ bytes\ndurability +committed\n$/,
    );
    expect((await command("cache", "get", "page")).out).toMatch(
      /^page, stored \S+Z, until \S+Z\n\{\n {2}"key": "page"\n\}\n$/,
    );
    expect((await command("cache", "get", "gone")).out).toBe("there is nothing under gone\n");
    expect((await command("cache", "invalidate", "--pattern", "user:*")).out).toBe("removed 2 results\n");
    expect(await json("cache", "stats")).toMatchObject({ success: true, entries: 1 });
    expect((await command("cache", "clear", "--yes")).out).toBe("removed 1 result\n");
  });
});

describe("the MCP server's command", () => {
  it("refuses templates without the tools for them, before it serves anything", async () => {
    const { code, out, err } = await run("mcp", "--templates", "x.json");
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(
      "--templates is given without its tools; allowed is that beside --toolsets with templates",
    );
  });

  it("refuses a file that is no template, with the place", async () => {
    const path = join(temporaryDirectory(), "greet.json");
    writeFileSync(path, "{");
    const { code, out, err } = await run("mcp", "--toolsets", "templates", "--templates", path);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain("greet.json:1:2: it is no JSON");
  });
});
