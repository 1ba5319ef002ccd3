import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { TOOLSET_NAMES } from "../../src/tools/index.ts";
import { openInline } from "../kit/inline-system.ts";
import { DRILL, run, temporaryDirectory } from "./kit/command.ts";

/** Commands over a data directory of their own. */
function commands() {
  const directory = temporaryDirectory();
  const data = join(directory, "data");
  const command = (...argv: string[]) => run(...argv, "--data", data);
  return {
    directory,
    data,
    command,
    async json(...argv: string[]): Promise<Record<string, unknown>> {
      const { out } = await command(...argv, "--json");
      expect(out).toMatch(/^[^\n]+\n$/);
      return JSON.parse(out) as Record<string, unknown>;
    },
  };
}

describe("a task from the command line", () => {
  it("is put on disk, stays there for the next owner, and the output says so", async () => {
    const { data, command, json } = commands();
    const submitted = await command(
      "task",
      "submit",
      "echo",
      "--id",
      "a",
      "--input",
      '{"n":1}',
      "--tag",
      "x",
    );
    expect(submitted).toEqual({
      code: 0,
      out: `task a is queued, 0 ahead of it\nIt is on disk in ${data}, and runs as soon as a process has that directory open.\n`,
      err: "",
    });
    const { code, out } = await command("task", "status", "a");
    expect(code).toBe(0);
    expect(out).toMatch(/^task +a\naction +echo\nstatus +queued\n/);
    expect(out).toMatch(/\nattempts +0 of 1\n/);
    expect(await json("task", "list", "--tag", "x", "--status", "queued")).toMatchObject({
      success: true,
      total_count: 1,
      tasks: [{ task_id: "a", status: "queued", attempt: 0 }],
    });
    await using system = await openInline({ data });
    expect(await system.tasks.wait("a")).toMatchObject({ state: "completed", output: { n: 1 } });
  });

  it("is run to its end with --wait, and its result is printed", async () => {
    const { command, json } = commands();
    const waited = await command("task", "submit", "echo", "--id", "a", "--input", '{"n":[1]}', "--wait");
    expect([waited.code, waited.err]).toEqual([0, ""]);
    expect(waited.out).toMatch(/task a completed in [\d.]+ s\n\{\n {2}"n": \[\n {4}1\n {2}\]\n\}\n$/);
    expect(await json("task", "result", "a")).toMatchObject({
      success: true,
      status: "completed",
      result: { n: [1] },
    });
    expect((await command("task", "list")).out).toMatch(
      /^TASK +ACTION .*\na +echo +completed +1 +1\/1 +local /,
    );
  });

  it("that fails makes the command fail with one sentence, and is explained, inspected, redriven and retried", async () => {
    const { command, json } = commands();
    const failing = ["task", "submit", "fail", "--input", '{"message":"no\\nluck"}'];
    const waited = await command(...failing, "--id", "a", "--retries", "1", "--backoff", "none", "--wait");
    expect(waited).toMatchObject({ code: 1, err: "mcplusplus: fail failed: no luck\n" });
    expect(await command("task", "result", "a")).toMatchObject({
      code: 1,
      err: "mcplusplus: fail failed: no luck\n",
    });
    expect((await command("task", "explain", "a")).out).toBe("task a:\n  it has ended: failed\n");
    expect((await command("deadletters", "list")).out).toMatch(/\na +fail +failed +1 +2\/2 +local /);
    const inspected = await command("deadletters", "inspect", "a");
    expect([inspected.code, inspected.err]).toEqual([0, ""]);
    expect(inspected.out).toMatch(/\nfailure +fail failed: no luck\n/);
    expect(inspected.out).toMatch(/\nattempt 1: fail failed: no luck\nattempt 2: fail failed: no luck\n$/);
    expect((await command("task", "logs", "a")).out).toMatch(
      /Z attempt 1 error: Error: no\n {2}luck\n {6}at /,
    );
    expect((await command("deadletters", "redrive", "a")).out).toMatch(
      /\na +a-retry-1\n0 dead letters left\n$/,
    );
    expect(await json("task", "retry", "a", "--retries", "2")).toMatchObject({ retry_task_id: "a-retry-2" });
    expect(await json("task", "status", "a-retry-2")).toMatchObject({ max_attempts: 3, origin: "a" });
    expect((await command("deadletters", "purge")).code).toBe(2);
    expect((await command("deadletters", "purge", "--yes")).out).toBe("purged 0 dead letters\n");
  });

  it("has handlers of one's own with --tasks, and input from a file", async () => {
    const { directory, command } = commands();
    const file = join(directory, "input.json");
    writeFileSync(file, "{}");
    const prints = ["task", "submit", "prints", "--tasks", DRILL, "--input-file", file, "--wait"];
    expect(await command(...prints)).toMatchObject({ code: 0 });
    const gone = await command("task", "submit", "echo", "--input-file", join(directory, "gone.json"));
    expect([gone.code, gone.err]).toEqual([1, expect.stringContaining("gone.json cannot be read")]);
    expect((await command("task", "submit", "prints")).err).toContain('there is no action "prints"');
  });

  it("that nothing here could run says so, and how to have it run", async () => {
    const { command } = commands();
    await command("task", "submit", "echo", "--id", "a");
    await command("task", "submit", "echo", "--id", "b", "--requires", "gpu");
    expect((await command("task", "explain", "a")).out).toMatch(
      /^task a:\n {2}nothing that runs handlers has its data directory open: start `mcplusplus mcp /,
    );
    expect((await command("task", "explain", "b")).out).toBe(
      "task b:\n  no worker is registered that can do gpu\n",
    );
  });

  it("shows what it waits for with --wait, once for as long as that is the same", async () => {
    const { command } = commands();
    const waited = ["task", "submit", "fail", "--input", '{"times":1}', "--retries", "1", "--wait"];
    const { code, out } = await command(...waited, "--backoff", "fixed");
    expect(code).toBe(0);
    expect(out.match(/^waiting: .*$/gm)).toEqual([
      expect.stringMatching(/^waiting: attempt 1 failed, and the next may start at .*Z$/),
    ]);
  });

  it("has logged what its handler printed, with its fields, or nothing", async () => {
    const { command } = commands();
    await command("task", "submit", "prints", "--tasks", DRILL, "--id", "a", "--wait");
    await command("task", "submit", "echo", "--id", "b");
    expect((await command("task", "logs", "a")).out).toMatch(/Z attempt 1 info: /);
    expect((await command("task", "logs", "b")).out).toBe("task b has logged nothing\n");
  });

  it("is put before others, and cancelled", async () => {
    const { data, command } = commands();
    for (const id of ["a", "b"]) await command("task", "submit", "echo", "--id", id);
    expect((await command("task", "priority", "b", "5")).out).toBe(
      "task b has priority 5 instead of 1; 0 ahead of it\n",
    );
    expect((await run("task", "priority", "b", "--data", data, "--", "-5")).out).toContain(
      "has priority -5 instead of 5; 1 ahead",
    );
    expect((await command("task", "priority", "b", "--by", "-1")).out).toContain("has priority -6");
    expect((await command("task", "cancel", "a", "--reason", "not now")).out).toBe("task a is cancelled\n");
    expect((await command("task", "status", "a")).out).toMatch(/\nfailure +.*not now\n/);
  });
});

describe("the queue from the command line", () => {
  it("is paused for the next owner too, counted, resumed and cleared", async () => {
    const { command, json } = commands();
    await command("task", "submit", "echo", "--id", "a");
    expect((await command("queue", "pause", "--reason", "a new disk")).out).toMatch(
      /^the queue is paused since .*Z, with 1 queued task\n$/,
    );
    const { out } = await command("queue", "stats");
    expect(out).toMatch(
      /^queue +paused since .*: a new disk\norder +priority\ndurability +flushed\nqueued +1 \(/,
    );
    // This command runs nothing, so the queue's own pool has nothing to show.
    expect(out).not.toContain("WORKER");
    expect(await json("queue", "stats")).toMatchObject({ success: true, status: "paused", queued_count: 1 });
    expect((await command("queue", "resume")).out).toBe("the queue is active, with 1 queued task\n");
    const refused = await command("queue", "clear", "--json");
    expect([refused.code, JSON.parse(refused.out)]).toMatchObject([2, { code: "CONFIRMATION_REQUIRED" }]);
    expect((await command("queue", "clear", "--status", "queued", "--yes")).out).toMatch(/^cleared 1 task; /);
  });

  it("is bounded for the next owner too", async () => {
    const { command, json } = commands();
    await command("task", "submit", "echo", "--id", "a", "--tag", "nightly");
    expect((await command("quota", "list")).out).toBe("no quotas\n");
    expect(await command("quota", "set", "--tag", "nightly", "--concurrency", "0", "--weight", "2")).toEqual({
      code: 0,
      out: "the quota of the tag nightly holds\n",
      err: "",
    });
    expect((await command("quota", "list")).out).toMatch(
      /^OF +NAME +CONCURRENCY .*\ntag +nightly +0 +- +- +- +2 +0 +1\n$/,
    );
    expect((await command("task", "explain", "a")).out).toContain(
      'the quota of the tag "nightly" allows none to run',
    );
    expect((await command("quota", "set", "--action", "echo", "--weight", "2")).err).toBe(
      "mcplusplus: --weight is 2; allowed is none: only tags share the workers\n",
    );
    expect(await command("quota", "remove", "--action", "echo")).toMatchObject({
      code: 1,
      err: 'mcplusplus: there is no quota of the action "echo"; there are: none\n',
    });
    expect((await command("quota", "remove", "--tag", "nightly")).code).toBe(0);
    expect(await json("quota", "list")).toMatchObject({ success: true, total_count: 0 });
  });

  it("is not made by a look at it: a data directory that is not there is named", async () => {
    const { data, command } = commands();
    for (const argv of [
      ["task", "list"],
      ["queue", "pause"],
      ["deadletters", "list"],
      ["quota", "list"],
    ]) {
      expect(await command(...argv)).toEqual({
        code: 1,
        out: "",
        err: `mcplusplus: ${data} cannot be read: there is no such directory: task submit makes one, and --data names another\n`,
      });
    }
    expect(existsSync(data)).toBe(false);
  });

  it("is named by its directory, and by the process that has it, while another has it", async () => {
    const { data, command } = commands();
    await using system = await openInline({ data });
    expect(await command("task", "list")).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        /^mcplusplus: \S+\/data is in use by .*: it lets no other process attach, so it has to end first\n$/,
      ) as string,
    });
    expect((await system.tasks.list()).total).toBe(0);
  });
});

describe("an operator", () => {
  it("drains the queue before a stop, and asks what is worth a word", async () => {
    const data = join(temporaryDirectory(), "data");
    await run("task", "submit", "echo", "--id", "a", "--data", data);
    const drained = await run("queue", "drain", "--wait", "0", "--data", data);
    expect(drained).toEqual({ code: 0, out: "nothing runs; 1 task queued\n", err: "" });
    const thresholds = ["queue_long=0", "memory_high=0"].flatMap((each) => ["--threshold", each]);
    const { out } = await run("queue", "alerts", ...thresholds, "--data", data);
    expect(out).toMatch(
      /^warning: memory of the machine .*, above 0\n(.*\n)*warning: tasks that wait: 1 tasks, above 0\n/m,
    );
    for (const wrong of ["queue_long", "queue_long=x", "nothing=1"]) {
      const { code, err } = await run("queue", "alerts", "--threshold", wrong, "--data", data);
      expect([code, err]).toEqual([
        wrong === "nothing=1" ? 1 : 2,
        expect.stringMatching(/^mcplusplus: [^\n]+\n$/),
      ]);
    }
  });
});

describe("a command of two words", () => {
  it("is listed with its sisters, and explained alone", async () => {
    expect((await run("help")).out).toMatch(
      /\n {2}task +single tasks: submit, status, .*\n {2}queue .*\n {2}deadletters /,
    );
    for (const argv of [
      ["help", "task"],
      ["task", "--help"],
      ["task", "help"],
    ]) {
      expect((await run(...argv)).out).toMatch(
        /^mcplusplus task: single tasks\n\nCommands:\n {2}task submit <action> /,
      );
    }
    for (const argv of [
      ["help", "queue", "clear"],
      ["queue", "clear", "--help"],
    ]) {
      const { code, out } = await run(...argv);
      expect(code).toBe(0);
      expect(out).toMatch(/^mcplusplus queue clear: .*\n\nUsage: mcplusplus queue clear \[options\]\n/);
      expect(out).toContain("--yes");
    }
    const { out } = await run("help", "mcp");
    for (const name of TOOLSET_NAMES) expect(out).toContain(name);
  });

  it.each([
    [["task"], "task is alone; allowed is one of task submit, task status, task cancel, task list,"],
    [["task", "--help-me"], "task is followed by --help-me; allowed is one of task submit"],
    [
      ["task", "sumbit"],
      'there is no command "task sumbit"; there are: task submit (did you mean that?), task status',
    ],
    [["task", "status"], "<id> is missing; allowed is mcplusplus task status <id>"],
    [["task", "status", ""], "<id> is empty; allowed is mcplusplus task status <id>"],
    [["task", "status", "a", "b"], '"b" is one operand too many; allowed is mcplusplus task status <id>'],
    [["task", "submit"], "<action> is missing; allowed is mcplusplus task submit <action>"],
    [["task", "submit", "echo", "--input", "{"], "--input is no JSON ("],
    [
      ["task", "submit", "echo", "--input", "[]"],
      "the input of task submit does not fit: --input is an array of 0; allowed is an object",
    ],
    [
      [
        "task",
        "submit",
        "echo",
        "--retries",
        "-1",
        "--backoff",
        "fast",
        "--delay",
        "-1",
        "--priority",
        "1e9",
      ],
      "--priority is 1000000000; allowed is at most 1000000; --retries is -1; allowed is at least 0; " +
        '--backoff is "fast"; allowed is one of "none", "fixed", "linear", "exponential"; --delay is -1',
    ],
    [
      ["task", "submit", "echo", "--tag", "x".repeat(129), "--requires", "y".repeat(129)],
      /--tag is "x+"… \(129 characters\); allowed is at most 128 characters; --requires is "y/,
    ],
    [
      ["task", "submit", "echo", "--id", "x".repeat(513)],
      /--id is "x+"… \(513 characters\); allowed is at most/,
    ],
    [["task", "retry", "a", "--retries", "1.5"], "--retries is 1.5; allowed is a whole number"],
    [
      ["task", "submit", "echo", "--input", "{}", "--input-file", "x"],
      "--input-file is given beside --input",
    ],
    [["task", "submit", "echo", "--priority", "high"], '--priority is "high"; allowed is a number'],
    [
      ["task", "submit", "echo", "--deadline", "soon"],
      'deadline is "soon"; allowed is an ISO-8601 date and time',
    ],
    [["task", "priority", "a"], "<n> is missing; allowed is one of the two: <n> or --by <n>"],
    [["task", "priority", "a", "1", "--by", "2"], "<n> is given beside --by; allowed is one of the two"],
    [["task", "priority", "a", "high"], '<n> is "high"; allowed is a number'],
    [["task", "priority", "a", "-5"], "-5 is no option; allowed is -- -5"],
    [["task", "list", "x"], '"x" is one operand too many; allowed is mcplusplus task list'],
    [
      ["task", "list", "--limit", "0"],
      "the input of task list does not fit: --limit is 0; allowed is at least 1",
    ],
    [["task", "list", "--status", "lost"], '--status is "lost"; allowed is one of'],
    [["queue", "clear"], "clearing the queue cannot be taken back: confirm it with --yes"],
    [["deadletters", "purge"], "purging dead letters cannot be taken back: confirm it with --yes"],
    [
      ["deadletters", "redrive", "a", "--tag", "x"],
      "--tag is given beside ids; allowed is ids, or --action and --tag",
    ],
    [
      ["quota", "set", "--concurrency", "1"],
      "--action is missing; allowed is one of the two: --action or --tag",
    ],
    [
      ["quota", "remove", "--action", "a", "--tag", "b"],
      "--action is given beside --tag; allowed is one of the two",
    ],
    [
      ["quota", "set", "--tag", "x", "--burst", "2"],
      "the bound is missing; allowed is at least one of --concurrency",
    ],
    [
      ["mcp", "--toolsets", "queue"],
      'there is no toolset "queue"; there are: workflow, taskqueue, peers, deadletters, runs, templates, cache, remote, admin',
    ],
  ])("refuses %j with exit code 2, one sentence, and no data directory", async (argv, sentence) => {
    const data = join(temporaryDirectory(), "data");
    const flag = argv.length > 1 ? ["--data", data] : [];
    const { code, out, err } = await run(...argv, ...flag);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(/^mcplusplus: [^\n]+\n$/);
    if (typeof sentence === "string") expect(err).toContain(sentence);
    else expect(err).toMatch(sentence);
    expect(existsSync(data)).toBe(false);
  });

  it("says with --json what went wrong as one line of JSON", async () => {
    const { command } = commands();
    await command("task", "submit", "echo", "--id", "somebody");
    const { code, out, err } = await command("task", "status", "nobody", "--json");
    expect([code, err]).toEqual([1, 'mcplusplus: there is no task "nobody"\n']);
    expect(JSON.parse(out)).toEqual({
      success: false,
      error: 'there is no task "nobody"',
      code: "TASK_NOT_FOUND",
      retryable: false,
      task_id: "nobody",
    });
    expect(JSON.parse((await command("task", "status", "--json")).out)).toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });
});
