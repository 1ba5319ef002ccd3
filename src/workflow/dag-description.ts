import { LIMITS } from "../errors/index.ts";
import { checkInteger } from "../schema/index.ts";
import type { Dag } from "./dag.ts";
import { criticalPath, type CriticalPath } from "./dag-timing.ts";
import { visibleText } from "./visible-text.ts";
import type { StepState } from "./workflow.protocol.ts";

export interface DescribeOptions {
  /** Of each step by number. Without them every step counts alike, and no times are given. */
  readonly durationsMs?: ArrayLike<number>;
  /** What else is to be said of a step. */
  readonly about?: (stepId: string, step: number) => DagNote;
  /** How many steps, dependencies first. Default and most: `LIMITS.workflow.dagPrintedSteps`. */
  readonly stepsMax?: number;
}

export interface DagNote {
  readonly action?: string;
  readonly state?: StepState;
}

export interface DagNode extends DagNote {
  readonly id: string;
  readonly level: number;
  /** On the critical path that is given. */
  readonly critical: boolean;
  readonly durationMs?: number;
  readonly earliestStartMs?: number;
  readonly latestStartMs?: number;
  readonly totalSlackMs?: number;
  readonly freeSlackMs?: number;
}

/** `to` waits for `from`. */
export interface DagArrow {
  readonly from: string;
  readonly to: string;
  readonly critical: boolean;
}

/** A JSON value. */
export interface DagDescription {
  /** In the order of the levels. */
  readonly nodes: readonly DagNode[];
  readonly edges: readonly DagArrow[];
  readonly levels: readonly (readonly string[])[];
  /** Of the whole graph, also where its steps are left out; cut to as many steps. */
  readonly criticalPath: readonly string[];
  readonly criticalPathMs?: number;
  readonly leftOut: { readonly nodes: number; readonly edges: number; readonly criticalPath: number };
}

/**
 * A graph as a plain value: what tools answer and what is printed. It has the first steps in the order of the levels, so
 * all that a step in it depends on is in it too.
 *
 * @throws INVALID_ARGUMENT
 */
export function describeDag(dag: Dag, options: DescribeOptions = {}): DagDescription {
  const most = LIMITS.workflow.dagPrintedSteps;
  const { durationsMs, about = (): DagNote => ({}), stepsMax = most } = options;
  checkInteger("stepsMax", stepsMax, 1, most);
  const times = criticalPath(dag, durationsMs ?? new Float64Array(dag.size).fill(1));
  const shown = Array.from({ length: Math.min(stepsMax, dag.size) }, (_, place) => dag.order[place] ?? 0);
  const place = new Map(times.steps.map((step, at) => [step, at]));
  const nodes = shown.map((step): DagNode => {
    const id = dag.idOf(step);
    const { action, state } = about(id, step);
    return {
      id,
      level: dag.levelOf(step),
      critical: place.has(step),
      ...(action === undefined ? {} : { action }),
      ...(state === undefined ? {} : { state }),
      ...(durationsMs === undefined ? {} : timesOf(step, durationsMs[step] ?? 0, times)),
    };
  });
  const edges = arrowsOf(dag, shown, place);
  const levels: string[][] = [];
  for (const { id, level } of nodes) (levels[level] ??= []).push(id);
  const path = times.steps.slice(0, stepsMax).map((step) => dag.idOf(step));
  return {
    nodes,
    edges,
    levels,
    criticalPath: path,
    ...(durationsMs === undefined ? {} : { criticalPathMs: times.lengthMs }),
    leftOut: {
      nodes: dag.size - nodes.length,
      edges: dag.edgeCount - edges.length,
      criticalPath: times.steps.length - path.length,
    },
  };
}

function arrowsOf(dag: Dag, shown: readonly number[], place: ReadonlyMap<number, number>): DagArrow[] {
  const arrows: DagArrow[] = [];
  for (const step of shown) {
    for (const dependency of dag.dependencies(step)) {
      if (arrows.length === LIMITS.workflow.dagPrintedEdges) return arrows;
      const before = place.get(dependency);
      const critical = before !== undefined && place.get(step) === before + 1;
      arrows.push({ from: dag.idOf(dependency), to: dag.idOf(step), critical });
    }
  }
  return arrows;
}

function timesOf(step: number, durationMs: number, times: CriticalPath): Partial<DagNode> {
  return {
    durationMs,
    earliestStartMs: times.earliestStartMs[step] ?? 0,
    latestStartMs: times.latestStartMs[step] ?? 0,
    totalSlackMs: times.totalSlackMs[step] ?? 0,
    freeSlackMs: times.freeSlackMs[step] ?? 0,
  };
}

/** Ids are labels only: what a node is called in the text is its place, so no id can be taken for a word of it. */
const names = ({ nodes }: DagDescription): ReadonlyMap<string, string> =>
  new Map(nodes.map(({ id }, at) => [id, `n${at}`]));

const captionOf = ({ action, state, durationMs }: DagNode): string =>
  [action, state, durationMs === undefined ? undefined : `${durationMs} ms`]
    .filter((part) => part !== undefined)
    .join(" · ");

const leftOutOf = ({ leftOut: { nodes, edges } }: DagDescription): readonly string[] =>
  nodes + edges === 0 ? [] : [`${nodes} more steps and ${edges} more dependencies`];

/** Readable on white and on black. */
const COLOURS: Readonly<Record<StepState, string>> = {
  pending: "#7a838b",
  ready: "#b07a10",
  running: "#b07a10",
  completed: "#3a9a72",
  failed: "#cf4b3e",
  skipped: "#7a838b",
  cancelled: "#7a838b",
};
const CRITICAL = "#c2410c";

/** A description in the language of Graphviz. @see https://graphviz.org/doc/info/lang.html */
export function dotOf(description: DagDescription): string {
  const name = names(description);
  const lines = description.nodes.map((node) => {
    const label = [node.id, captionOf(node)]
      .filter((line) => line !== "")
      .map(dotText)
      .join("\\n");
    const colour = node.state === undefined ? "" : `, color="${COLOURS[node.state]}"`;
    return `  ${name.get(node.id)} [label="${label}"${colour}${node.critical ? ", penwidth=2.5" : ""}];`;
  });
  const arrows = description.edges.map(({ from, to, critical }) => {
    const look = critical ? ` [color="${CRITICAL}", penwidth=2.5]` : "";
    return `  ${name.get(from)} -> ${name.get(to)}${look};`;
  });
  const rest = leftOutOf(description).map((text) => `  more [shape=plaintext, style="", label="${text}"];`);
  const head = ["digraph {", "  rankdir=LR;", '  node [shape=box, style=rounded, fontname="sans-serif"];'];
  return [...head, ...lines, ...arrows, ...rest, "}", ""].join("\n");
}

/** In a label `\N` would stand for the name of the node, and `&amp;` for a sign. */
const dotText = (text: string): string =>
  visibleText(text).replaceAll("&", "&amp;").replaceAll("\\", "\\\\").replaceAll('"', '\\"');

/**
 * A description as a Mermaid flowchart. Mermaid draws 500 edges and 50,000 characters unless it is configured to draw more
 * (`maxEdges`, `maxTextSize`).
 *
 * @see https://mermaid.js.org/syntax/flowchart.html
 */
export function mermaidOf(description: DagDescription): string {
  const name = names(description);
  const states = new Set<StepState>();
  const lines = description.nodes.map((node) => {
    const label = [node.id, captionOf(node)]
      .filter((line) => line !== "")
      .map(mermaidText)
      .join("<br/>");
    if (node.state !== undefined) states.add(node.state);
    return `  ${name.get(node.id)}["${label}"]${node.state === undefined ? "" : `:::${node.state}`}`;
  });
  const critical: number[] = [];
  const arrows = description.edges.map((edge, at) => {
    if (edge.critical) critical.push(at);
    return `  ${name.get(edge.from)} --> ${name.get(edge.to)}`;
  });
  const rest = leftOutOf(description).map((text) => `  more["${text}"]`);
  const classes = Array.from(states, (state) => `  classDef ${state} stroke:${COLOURS[state]}`);
  const path =
    critical.length === 0 ? [] : [`  linkStyle ${critical.join()} stroke:${CRITICAL},stroke-width:3px`];
  return ["flowchart LR", ...lines, ...arrows, ...rest, ...classes, ...path, ""].join("\n");
}

/** Mermaid reads `#35;` as the sign of that number, and nothing but letters and digits as only themselves. */
const mermaidText = (text: string): string =>
  visibleText(text).replace(/[^\p{L}\p{M}\p{N} ]/gu, (sign) => `#${sign.codePointAt(0)};`);
