import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, watch } from "node:fs";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { openInterrupts } from "../../src/cli/interrupts.ts";
import { DRILL, oneStep, run, templateFile, temporaryDirectory } from "./kit/command.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** Resolves when there is a file of that name. */
async function untilThere(directory: string, name: string): Promise<void> {
  const watcher = watch(directory);
  while (!existsSync(join(directory, name))) await once(watcher, "change");
  watcher.close();
}

it("Ctrl-C ends a run with 130 after its handlers' finally, says so once, and leaves the data for the next", async () => {
  const directory = temporaryDirectory();
  const inputs = { file: join(directory, "ended"), started: join(directory, "started") };
  const template = templateFile(directory, oneStep("waits", inputs));
  const data = join(directory, "data");
  const argv = ["run", template, "--tasks", DRILL, "--data", data, "--root", directory, "--json"];
  const args = ["--conditions=mcplusplus-source", "bin/mcplusplus.cjs", ...argv];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  const printed = Promise.all([text(child.stdout), text(child.stderr)]);
  const exited = once(child, "exit");
  await untilThere(directory, "started");
  // A launcher hands the signal on that the terminal has sent as well: the two are one.
  child.kill("SIGINT");
  child.kill("SIGINT");
  expect(await exited).toEqual([130, null]);
  const [out, err] = await printed;
  expect(err).toMatch(/^mcplusplus: workflow "one-\w+" was cancelled: Ctrl-C\n$/);
  expect(JSON.parse(out)).toMatchObject({ success: false, status: "cancelled", code: "CANCELLED" });
  expect(readFileSync(join(directory, "ended"), "utf8")).toBe("finally has run");
  expect(readdirSync(directory).filter((name) => name.endsWith(".tmp"))).toEqual([]);

  const next = templateFile(directory, oneStep("echo"));
  expect((await run("run", next, "--data", data)).code).toBe(0);
});

it("the first signal withdraws the run, one right after it is the same, and closing lets signals be", () => {
  const before = process.listenerCount("SIGTERM");
  const told: string[] = [];
  const interrupts = openInterrupts((note) => void told.push(note));
  process.emit("SIGTERM", "SIGTERM");
  process.emit("SIGTERM", "SIGTERM");
  expect(told).toEqual(["cancelling; once more to leave at once"]);
  expect(interrupts.signal.reason).toMatchObject({ code: "CANCELLED", details: { reason: "SIGTERM" } });
  interrupts.close();
  expect(process.listenerCount("SIGTERM")).toBe(before);
});
