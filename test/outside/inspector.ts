import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installed, runToEnd } from "./outside-program.ts";

export interface InspectorResult {
  readonly era: string;
  readonly method: string;
  /** Null: it printed what it should. */
  readonly failure: string | null;
}

const PROGRAM = installed("@modelcontextprotocol/inspector/clients/launcher/build/index.js");
const RUN_MS = 60_000;
/** Found in what it prints. */
const RUNS = [
  { method: "tools/list", args: ["--strict"], expected: '"workflow_submit"' },
  { method: "tools/call", args: ["--tool-name", "queue_stats"], expected: '"success": true' },
] as const;

/** The inspector's command line lists and calls over standard input and output, in both eras. */
export async function runInspector(): Promise<readonly InspectorResult[]> {
  const directory = await mkdtemp(join(tmpdir(), "outside-inspector-"));
  const server = [process.execPath, "bin/mcplusplus.cjs", "mcp", "--data", join(directory, "data")];
  // It takes what begins with a dash for its own.
  const environment = ["-e", "NODE_OPTIONS=--conditions=mcplusplus-source"];
  const results: InspectorResult[] = [];
  try {
    for (const era of ["legacy", "modern"])
      for (const { method, args, expected } of RUNS) {
        const asked = ["--protocol-era", era, "--method", method, ...args];
        const { code, output } = await runToEnd(
          PROGRAM,
          ["--cli", ...environment, ...asked, ...server],
          RUN_MS,
        );
        const isRight = code === 0 && output.includes(expected);
        results.push({ era, method, failure: isRight ? null : `exit code ${code}: ${output.slice(-500)}` });
      }
  } finally {
    await rm(directory, { recursive: true });
  }
  return results;
}
