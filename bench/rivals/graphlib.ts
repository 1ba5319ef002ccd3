import type { BenchStep, DagContestant, Found } from "../dag/graph.ts";
import { load, versionOf } from "./rival.ts";

interface Graph {
  nodeCount(): number;
  setNode(id: string, label: number): void;
  setEdge(from: string, to: string): void;
  node(id: string): number;
  predecessors(id: string): string[] | void;
}
interface Graphlib {
  readonly Graph: new () => Graph;
  readonly alg: { topsort(graph: Graph): string[] };
}

/**
 * As its documentation has it. It has an order but no levels and no critical path: both are found in one walk over its
 * order and its predecessors.
 *
 * @see https://github.com/dagrejs/graphlib/wiki/API-Reference
 */
export async function graphlib(): Promise<DagContestant> {
  const { Graph, alg } = await load<Graphlib>("@dagrejs/graphlib");
  return {
    is: `@dagrejs/graphlib ${await versionOf("@dagrejs/graphlib")}`,
    solve(steps: readonly BenchStep[]): Found {
      const graph = new Graph();
      for (const { stepId, ms } of steps) graph.setNode(stepId, ms);
      for (const { stepId, dependsOn } of steps) for (const name of dependsOn) graph.setEdge(name, stepId);
      if (graph.nodeCount() !== steps.length) throw new Error("a step depends on one that there is not");
      const found = new Map<string, { readonly level: number; readonly end: number }>();
      let [levels, criticalPathMs] = [0, 0];
      // Throws when there is a cycle.
      for (const id of alg.topsort(graph)) {
        let [level, start] = [0, 0];
        for (const before of graph.predecessors(id) ?? []) {
          const known = found.get(before);
          level = Math.max(level, (known?.level ?? 0) + 1);
          start = Math.max(start, known?.end ?? 0);
        }
        const end = start + graph.node(id);
        found.set(id, { level, end });
        levels = Math.max(levels, level + 1);
        criticalPathMs = Math.max(criticalPathMs, end);
      }
      return { levels, criticalPathMs };
    },
  };
}
