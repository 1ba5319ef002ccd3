import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";
import { main } from "../../../src/cli/main.ts";
import { inlined } from "../../kit/inline-system.ts";

// What a command says and writes does not depend on where actors live, and here they open in a tenth of the time.
vi.mock(import("../../../src/system/open-system.ts"), async (original) => {
  const { openSystem } = await original();
  return { openSystem: (options) => openSystem(inlined(options)) };
});

export const MODULES = join(import.meta.dirname, "../modules");
export const DRILL = join(MODULES, "drill.tasks.ts");

/** A directory that is gone when the test is over. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "cli-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command in this process, with the actors on this thread, and gives what it printed and its exit code. */
export async function run(...argv: string[]): Promise<Ended> {
  const printed = { out: "", err: "" };
  const capture = (stream: NodeJS.WriteStream, name: "out" | "err") =>
    vi.spyOn(stream, "write").mockImplementation((chunk) => {
      printed[name] += String(chunk);
      return true;
    });
  const spies = [capture(process.stdout, "out"), capture(process.stderr, "err")];
  const environment = process.env["MCPLUSPLUS_LOG"];
  try {
    return { code: await main(argv), ...printed };
  } finally {
    for (const spy of spies) spy.mockRestore();
    if (environment === undefined) delete process.env["MCPLUSPLUS_LOG"];
  }
}

/** A template of one file, for what a test wants to run. */
export function templateFile(directory: string, template: object | string): string {
  const path = join(directory, "template.json");
  writeFileSync(path, typeof template === "string" ? template : JSON.stringify(template));
  return path;
}

export const oneStep = (action: string, inputs: object = {}, template_id = "one"): object => ({
  template_id,
  name: "One step",
  steps: [{ step_id: "only", action, inputs }],
});
