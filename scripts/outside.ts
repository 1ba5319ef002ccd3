import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { differences, readBaseline, reasonOf, type ScenarioResult } from "../test/outside/baseline.ts";
import { runClients } from "../test/outside/clients.ts";
import { runConformance } from "../test/outside/conformance.ts";
import { openFixtureServer } from "../test/outside/fixture-server.ts";
import { runInspector } from "../test/outside/inspector.ts";
import { installed } from "../test/outside/outside-program.ts";

/**
 * Holds the MCP server to other people's tests and clients (test/outside/):
 *
 *     npm ci --prefix test/outside/packages
 *     npm run -s outside
 *     npm run -s outside -- --json
 *
 * Standard output has the results, standard error what is being done. The exit code is 1 when a scenario fails that is not in
 * test/outside/baseline.json, when one that is there does not fail, or when a client or the inspector fails.
 */

const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });

const note = (line: string): void => void process.stderr.write(`${line}\n`);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function conformance(): Promise<readonly ScenarioResult[]> {
  // Tasks that fail are what some scenarios ask for.
  process.env["MCPLUSPLUS_LOG"] ??= "error";
  const directory = await mkdtemp(join(tmpdir(), "outside-server-"));
  try {
    const server = await openFixtureServer(join(directory, "data"));
    try {
      return await runConformance(server);
    } finally {
      await server.close();
    }
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** The rows as lines, each column as wide as its widest cell; the last one as it is. */
function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

async function main(): Promise<number> {
  if (!existsSync(installed("conformance-next"))) {
    note("outside: the suites are not installed: npm ci --prefix test/outside/packages");
    return 1;
  }
  const baseline = readBaseline();
  note("conformance suites");
  const scenarios = await conformance();
  note("inspector and clients");
  const [inspector, clients] = await Promise.all([runInspector(), runClients()]);

  const problems = [
    ...differences(scenarios, baseline),
    ...inspector.flatMap(({ era, method, failure }) =>
      failure === null ? [] : [`inspector, ${era}, ${method}: ${failure}`],
    ),
    ...clients.flatMap(({ client, failure }) => (failure === null ? [] : [`${client}: ${failure}`])),
  ];
  if (values.json) {
    const told = scenarios.map((result) => ({ ...result, reason: reasonOf(result, baseline) ?? null }));
    say(JSON.stringify({ passed: problems.length === 0, scenarios: told, inspector, clients, problems }));
  } else {
    const rows = scenarios.map((result) => [
      result.scenario,
      result.revision,
      result.suite,
      String(result.passed),
      String(result.failed.length),
      reasonOf(result, baseline) ?? "",
    ]);
    for (const line of table([
      ["scenario", "revision", "suite", "passed", "failed", "why it may fail"],
      ...rows,
    ]))
      say(line);
    for (const { era, method, failure } of inspector)
      say(`inspector, ${era}: ${method} ${failure === null ? "passed" : "failed"}`);
    for (const { client, failure } of clients)
      say(`${client}: ${failure === null ? "completed the script" : "failed"}`);
  }
  for (const problem of problems) note(`outside: ${problem}`);
  return problems.length === 0 ? 0 : 1;
}

process.exitCode = await main();
