import { buildDag, criticalPath, describeDag, mermaidOf, whatIf } from "mcplusplus";

const steps = [
  { stepId: "fetch", dependsOn: [], ms: 400 },
  { stepId: "parse", dependsOn: ["fetch"], ms: 900 },
  { stepId: "check", dependsOn: ["fetch"], ms: 100 },
  { stepId: "save", dependsOn: ["parse", "check"], ms: 50 },
];
const built = buildDag(steps);
if (!built.ok) throw new Error(built.problems.join("; "));
const durationsMs = steps.map(({ ms }) => ms);

/** 1350: fetch, parse, save. */
export const { lengthMs } = criticalPath(built.dag, durationsMs);
/** 450, with a parser that is twice as fast. */
export const { savedMs } = whatIf(built.dag, { durationsMs, workers: 2 }, { durationsMs: [["parse", 450]] });
/** A flowchart for a page in Markdown. */
export const chart = mermaidOf(describeDag(built.dag, { durationsMs }));
