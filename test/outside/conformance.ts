import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "../../src/schema/zod-schema.ts";
import type { ScenarioResult } from "./baseline.ts";
import type { FixtureServer } from "./fixture-server.ts";
import { installed, runToEnd } from "./outside-program.ts";

interface Suite {
  readonly suite: string;
  readonly program: string;
  readonly revision: string;
  readonly choice: readonly string[];
  readonly door: keyof FixtureServer["urls"];
  /** How many it runs: one that stopped halfway does not pass for one that went well. */
  readonly scenarios: number;
}

const RELEASED = { suite: "0.1.16", program: installed("@modelcontextprotocol/conformance/dist/index.js") };
const NEXT = { suite: "0.2.0-alpha.12", program: installed("conformance-next/dist/index.js") };
const required = (revision: string) => ({ revision, choice: ["--requirements", revision] });

const SUITES: readonly Suite[] = [
  { ...RELEASED, revision: "2025-11-25", choice: ["--suite", "all"], door: "perRequest", scenarios: 32 },
  { ...NEXT, ...required("2025-11-25"), door: "sessions", scenarios: 33 },
  { ...NEXT, ...required("2026-07-28"), door: "perRequest", scenarios: 50 },
];

/** The slowest suite takes half a minute on a busy machine, most of it in tasks that sleep. */
const SUITE_MS = 180_000;

const CHECKS = z.array(
  z.looseObject({ id: z.string(), status: z.enum(["SUCCESS", "FAILURE", "WARNING", "SKIPPED", "INFO"]) }),
);

/** `server-<scenario>-<when>`, as both suites name what they save. */
const SAVED = /^server-(.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z$/;

/** Runs all suites, one after the other: some scenarios give an answer only so much time, or wait for what must not come. */
export async function runConformance({ urls }: FixtureServer): Promise<readonly ScenarioResult[]> {
  const results: ScenarioResult[] = [];
  for (const suite of SUITES) results.push(...(await runSuite(suite, urls[suite.door])));
  return results;
}

async function runSuite(
  { suite, program, revision, choice, scenarios }: Suite,
  url: string,
): Promise<readonly ScenarioResult[]> {
  const directory = await mkdtemp(join(tmpdir(), "outside-"));
  try {
    const { code, output } = await runToEnd(
      program,
      ["server", "--url", url, ...choice, "-o", directory],
      SUITE_MS,
    );
    const saved = await readdir(directory);
    // 1 is a scenario that failed, which is what the baseline is for.
    if (code === null || code > 1 || saved.length !== scenarios) {
      const what = `suite ${suite} against ${revision} ended with ${code} after ${saved.length} of ${scenarios} scenarios`;
      throw new Error(`${what}: ${output.slice(-2_000)}`);
    }
    const results = await Promise.all(
      saved.toSorted().map(async (name): Promise<ScenarioResult> => {
        const [, scenario = name] = SAVED.exec(name) ?? [];
        const checks = CHECKS.parse(JSON.parse(await readFile(join(directory, name, "checks.json"), "utf8")));
        const failing = checks.filter(({ status }) => status === "FAILURE" || status === "WARNING");
        const passed = checks.filter(({ status }) => status === "SUCCESS").length;
        return { suite, revision, scenario, passed, failed: [...new Set(failing.map(({ id }) => id))] };
      }),
    );
    return results;
  } finally {
    await rm(directory, { recursive: true });
  }
}
