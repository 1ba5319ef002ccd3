import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { ACTORS, openSystem } from "../../src/system/index.ts";
import { FLIGHTS_TASKS, fewFlights, flightsRoots, flightsWorkflow } from "./kit/flights.ts";
import { STEPS, linesOf, temporaryDirectory } from "./kit/directory.ts";

const ROOT = resolve(import.meta.dirname, "../..");

it("a run goes on where it was when its process is killed, and no finished step runs again", async () => {
  const directory = temporaryDirectory();
  const program = join(import.meta.dirname, "modules/interrupted.process.ts");
  const args = ["--conditions=mcplusplus-source", program, directory, STEPS];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  writeFileSync(join(directory, "go"), "");

  await using system = await openSystem({
    data: join(directory, "data"),
    tasks: [STEPS],
    roots: [directory],
  });
  const ends: (string | undefined)[] = [];
  for await (const { step } of system.watch("w")) if (step?.state === "completed") ends.push(step.stepId);
  expect(ends).toEqual(["first", "second", "third"]);
  const { status, outputs } = await system.result("w");
  expect(status.state).toBe("completed");
  expect(outputs).toEqual({ first: "first", second: "second", third: "third" });
  const lines = linesOf(join(directory, "log"));
  expect(lines.filter((line) => line === "first" || line === "third")).toEqual(["first", "third"]);
  expect(lines.at(-1)).toBe("third");
});

describe("the flights job", () => {
  const reportOf = async (directory: string, killed?: (typeof ACTORS)[number]): Promise<string> => {
    const flights = fewFlights(directory);
    await using system = await openSystem({
      data: join(directory, "data"),
      tasks: [FLIGHTS_TASKS],
      roots: flightsRoots(directory),
      threads: 2,
    });
    let killing: Promise<void> | undefined;
    const { status } = await system.run(
      flightsWorkflow("flights", { flights, out: join(directory, "out") }),
      {
        onEvent({ progress }) {
          if (killed && progress >= 0.4) killing ??= system.kill(killed);
        },
      },
    );
    expect(status.error).toBeNull();
    await killing;
    if (killed) {
      await system.actors[killed === "peer-registry" ? "peers" : killed].ready();
      const { actors } = await system.health();
      expect(actors.filter(({ epoch }) => epoch > 1)).toMatchObject([{ name: killed, epoch: 2 }]);
    }
    expect(existsSync(join(directory, "out", "report.json"))).toBe(true);
    return readFileSync(join(directory, "out", "report.json"), "utf8");
  };
  let expected: Promise<string> | undefined;

  it.each(ACTORS)("ends with exactly its report when %s is killed at 40 percent", async (actor) => {
    expected ??= reportOf(temporaryDirectory());
    expect(await reportOf(temporaryDirectory(), actor)).toBe(await expected);
  });
});
