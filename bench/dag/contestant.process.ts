import { answer } from "../kit/child.ts";
import { graphlib } from "../rivals/graphlib.ts";
import { graphology } from "../rivals/graphology.ts";
import { graphText, type BenchStep, type DagContestant, type Found } from "./graph.ts";
import { ours } from "./ours.ts";

/** One contestant in a process of its own, so that nobody's heap is collected in another's time. */
export interface Solved extends Found {
  readonly ms: number;
}

const CONTESTANTS: Readonly<Record<string, () => DagContestant | Promise<DagContestant>>> = {
  ours,
  graphology,
  graphlib,
};

const [, , name = ""] = process.argv;
let contestant: DagContestant | undefined;
let text = "";

answer({
  async start(): Promise<string> {
    contestant = await CONTESTANTS[name]?.();
    if (contestant === undefined) throw new Error(`there is no contestant "${name}"`);
    text = graphText();
    return contestant.is;
  },
  solve(): Solved {
    // Fresh strings each time, whose hashes nobody has worked out yet.
    const steps = JSON.parse(text) as readonly BenchStep[];
    globalThis.gc?.();
    const begun = performance.now();
    const found = contestant?.solve(steps) ?? { levels: 0, criticalPathMs: 0 };
    return { ...found, ms: performance.now() - begun };
  },
});
