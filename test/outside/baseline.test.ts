import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { differences, readBaseline, reasonOf, type BaselineEntry, type ScenarioResult } from "./baseline.ts";

const result: ScenarioResult = {
  suite: "1.0.0",
  revision: "2026-07-28",
  scenario: "ping",
  passed: 1,
  failed: ["pong"],
};
const entry: BaselineEntry = {
  suite: "1.0.0",
  revision: "2026-07-28",
  scenario: "ping",
  checks: ["pong"],
  reason: "nobody plays table tennis here",
};

describe("the results of a suite", () => {
  it("do not differ from a baseline that has each check that fails", () => {
    expect(differences([result], [entry])).toEqual([]);
    expect(differences([{ ...result, failed: [] }], [])).toEqual([]);
    expect(reasonOf(result, [entry])).toBe("nobody plays table tennis here");
  });

  it("differ from it when a check fails that it does not have, in the same scenario, revision and suite", () => {
    const told = ["ping (2026-07-28, suite 1.0.0): pong fails, and is not in the baseline"];
    expect(differences([result], [])).toEqual(told);
    for (const other of [{ scenario: "pings" }, { revision: "2025-11-25" }, { suite: "1.0.1" }]) {
      expect(differences([result], [{ ...entry, ...other }])).toEqual(expect.arrayContaining(told));
      expect(reasonOf(result, [{ ...entry, ...other }])).toBeUndefined();
    }
  });

  it("differ from it when what it has passes, or is not run any more", () => {
    const told = ["ping (2026-07-28, suite 1.0.0): pong is in the baseline, and does not fail: take it out"];
    expect(differences([{ ...result, failed: [] }], [entry])).toEqual(told);
    expect(differences([], [entry])).toEqual(told);
  });
});

it("every entry of the baseline is about another scenario, and names each check once", () => {
  const baseline = readBaseline();
  const names = baseline.map(({ suite, revision, scenario }) => `${suite} ${revision} ${scenario}`);
  expect(names).toEqual([...new Set(names)]);
  for (const { checks } of baseline) expect(checks).toEqual([...new Set(checks)]);
});

it("what is in the baseline stands on the page, and nothing else stands there as failing", () => {
  const page = readFileSync(new URL("../../docs/guide/conformance.md", import.meta.url), "utf8");
  const [, table = ""] = page.split("| scenario | where | why it fails |");
  const told = table.split("\n").flatMap((row) => row.split("|")[1]?.match(/(?<=`)[\w-]+(?=`)/g) ?? []);
  const names = readBaseline().map(({ scenario }) => scenario);
  expect(new Set(told)).toEqual(new Set(names));
});
