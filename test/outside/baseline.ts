import { readFileSync } from "node:fs";
import { z } from "../../src/schema/zod-schema.ts";

/** One scenario of a suite, against one revision of the protocol. */
interface ScenarioName {
  /** Version of the suite. */
  readonly suite: string;
  readonly revision: string;
  readonly scenario: string;
}

export interface ScenarioResult extends ScenarioName {
  readonly passed: number;
  /** Names of the checks that failed, or gave a warning. */
  readonly failed: readonly string[];
}

const ENTRY = z.strictObject({
  suite: z.string(),
  revision: z.string(),
  scenario: z.string(),
  checks: z.array(z.string()).min(1),
  reason: z.string().min(20),
});

/** What is known to fail, and why that is right. */
export type BaselineEntry = z.output<typeof ENTRY>;

export const readBaseline = (): readonly BaselineEntry[] =>
  z.array(ENTRY).parse(JSON.parse(readFileSync(new URL("baseline.json", import.meta.url), "utf8")));

const keyOf = ({ suite, revision, scenario }: ScenarioName): string =>
  `${scenario} (${revision}, suite ${suite})`;

/** The reason why a scenario fails as it does; undefined: it is not known to. */
export const reasonOf = (result: ScenarioName, baseline: readonly BaselineEntry[]): string | undefined =>
  baseline.find((entry) => keyOf(entry) === keyOf(result))?.reason;

/** Every difference in a sentence: what fails and is not known to, and what is known to fail and does not. */
export function differences(
  results: readonly ScenarioResult[],
  baseline: readonly BaselineEntry[],
): readonly string[] {
  const failing = new Set(
    results.flatMap((result) => result.failed.map((check) => `${keyOf(result)}: ${check}`)),
  );
  const known = new Set(
    baseline.flatMap((entry) => entry.checks.map((check) => `${keyOf(entry)}: ${check}`)),
  );
  return [
    ...[...failing.difference(known)].map((name) => `${name} fails, and is not in the baseline`),
    ...[...known.difference(failing)].map(
      (name) => `${name} is in the baseline, and does not fail: take it out`,
    ),
  ];
}
