import type { BenchStep, DagContestant, Found } from "../dag/graph.ts";
import { load, versionOf } from "./rival.ts";

interface Graph {
  readonly order: number;
  addNode(id: string): void;
  mergeDirectedEdge(from: string, to: string): void;
  forEachInNeighbor(id: string, visit: (from: string) => void): void;
}
interface Graphology {
  readonly DirectedGraph: new () => Graph;
}
interface GraphologyDag {
  topologicalGenerations(graph: Graph): string[][];
}

/**
 * As its documentation has it. It knows no critical path, so the longest way is found over its levels and its neighbours;
 * of slack there is nothing to compare with.
 *
 * @see https://graphology.github.io/standard-library/dag.html
 */
export async function graphology(): Promise<DagContestant> {
  const { DirectedGraph } = await load<Graphology>("graphology");
  const { default: dag } = await load<{ default: GraphologyDag }>("graphology-dag");
  return {
    is: `graphology ${await versionOf("graphology")}, graphology-dag ${await versionOf("graphology-dag")}`,
    solve(steps: readonly BenchStep[]): Found {
      const graph = new DirectedGraph();
      for (const { stepId } of steps) graph.addNode(stepId);
      for (const { stepId, dependsOn } of steps) {
        for (const name of dependsOn) graph.mergeDirectedEdge(name, stepId);
      }
      if (graph.order !== steps.length) throw new Error("a step depends on one that there is not");
      // Throws when there is a cycle.
      const levels = dag.topologicalGenerations(graph);
      const durations = new Map(steps.map(({ stepId, ms }) => [stepId, ms]));
      const ends = new Map<string, number>();
      let criticalPathMs = 0;
      for (const id of levels.flat()) {
        let start = 0;
        graph.forEachInNeighbor(id, (from) => {
          start = Math.max(start, ends.get(from) ?? 0);
        });
        const end = start + (durations.get(id) ?? 0);
        ends.set(id, end);
        criticalPathMs = Math.max(criticalPathMs, end);
      }
      return { levels: levels.length, criticalPathMs };
    },
  };
}
