import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { startServer } from "./kit/server-process.ts";

async function start(...flags: readonly string[]) {
  const directory = await mkdtemp(join(tmpdir(), "mcp-"));
  const server = startServer(join(directory, "data"), ...flags);
  onTestFinished(async () => {
    await server[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  return server;
}

const LOUD = "test/tools/modules/loud.tools.ts";

it("tools of the user's own are listed and called like ours, and what they print stays out of the protocol", async () => {
  const server = await start(
    ...[
      "--tools",
      LOUD,
      "--tools",
      "docs/examples/primes.tools.ts",
      "--tasks",
      "docs/examples/embed.tasks.ts",
    ],
    ...["--tools", "test/tools/modules/primes.tools.ts", "--only", "shout,primes,primes_between,queue_stats"],
  );
  await server.initialize();
  const { result } = (await server.request("tools/list", {})) as { result: { tools: { name: string }[] } };
  expect(result.tools.map(({ name }) => name)).toEqual(["queue_stats", "shout", "primes_between", "primes"]);
  const answer = async (name: string, args: object): Promise<unknown> =>
    ((await server.call(name, args)) as { result: { structuredContent: unknown } }).result.structuredContent;
  expect(await answer("shout", { text: "hear" })).toEqual({ success: true, text: "HEAR" });
  expect(await answer("primes_between", { from: 0, to: 100 })).toEqual({ success: true, primes: 25 });
  // This one runs on a thread of the pool.
  expect(await answer("primes", { below: 100 })).toMatchObject({ success: true, count: 25, role: "guest" });
  expect(await answer("primes_between", { from: 0, to: 100, timeout: 0 })).toMatchObject({
    success: false,
    code: "INPUT_INVALID",
    error: expect.stringContaining("timeout is 0; allowed is at least 1") as string,
  });
  expect(server.said()).toContain("a module that prints while it is loaded");
  server.end();
  expect(await server.exited).toEqual([0, null]);
});

it.each([
  [["--tools", "test/tools/modules/throws.tools.ts"], 1, "cannot be used: it does not want to"],
  [["--tools", LOUD, "--only", "shout,task_submit", "--read-only"], 2, 'read-only with "task_submit"'],
])("a server that cannot offer what was asked for ends with the reason: %j", async (flags, code, reason) => {
  const server = await start(...flags);
  expect(await server.exited).toEqual([code, null]);
  expect(server.said()).toContain(reason);
});
