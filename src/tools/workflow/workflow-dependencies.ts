import { z } from "../../schema/zod-schema.ts";
import { describeRun, dotOf, mermaidOf, type DagNode } from "../../workflow/index.ts";
import { READS, count, numberOrNull, text } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { answer, ofWorkflow, workflowId } from "./shapes.ts";

const format = z.enum(["json", "dot", "mermaid"]);

const nodeShape = z.looseObject({
  id: z.string(),
  label: z.string(),
  action: z.string(),
  status: z.string(),
  level: z.int(),
  critical: z.boolean(),
  estimated: z.boolean(),
  duration: z.number(),
  earliest_start: z.number(),
  latest_start: z.number(),
  slack: z.number(),
  free_slack: z.number(),
});
const edgeShape = z.looseObject({ from: z.string(), to: z.string(), critical: z.boolean() });

export const workflowDependencies = defineTool({
  name: "workflow_dependencies",
  title: "Graph of a workflow",
  description:
    "Gives the steps of a workflow as a graph, with the critical path and how much later each step could have started " +
    "(slack) without delaying the end, in seconds from the start. A step that has not ended counts with the mean of its " +
    "action (estimated: true). dag is the graph as JSON, or as text for Graphviz (dot) or Mermaid.",
  input: z
    .strictObject({
      workflow_id: workflowId,
      fmt: format.optional().describe("What dag is; default json"),
      format: format.optional().describe("The same as fmt"),
    })
    .refine(
      ({ fmt, format: other }) => fmt === undefined || other === undefined || fmt === other,
      "fmt and format are the same argument, and say different things",
    ),
  output: z.looseObject({
    ...answer,
    workflow_id: text,
    format: text,
    dag: z.unknown().optional(),
    nodes: z.array(nodeShape).optional(),
    edges: z.array(edgeShape).optional(),
    critical_path: z.array(z.string()).optional(),
    critical_path_time: numberOrNull,
    levels: z.array(z.array(z.string())).optional(),
    waits_for: z.array(z.string()).optional(),
    left_out: z.looseObject({ nodes: count, edges: count }).optional(),
  }),
  hints: READS,
  metadata: ofWorkflow(7, 15, { cpuIntensive: true }),
  echo: ["workflow_id"],
  async run({ workflow_id, fmt, format: other }, { system }) {
    const run = await system.status(workflow_id);
    const description = describeRun(run);
    const { edges, levels, criticalPath, criticalPathMs = 0, leftOut, estimated } = description;
    const guessed = new Set(estimated);
    const nodes = description.nodes.map((node) => nodeAnswer(node, guessed.has(node.id)));
    const wanted = fmt ?? other ?? "json";
    const texts = { dot: dotOf, mermaid: mermaidOf };
    return {
      workflow_id,
      format: wanted,
      dag: wanted === "json" ? { nodes, edges, levels } : texts[wanted](description),
      nodes,
      edges,
      critical_path: criticalPath,
      critical_path_time: seconds(criticalPathMs),
      levels,
      waits_for: run.waitsFor,
      left_out: { nodes: leftOut.nodes, edges: leftOut.edges, critical_path: leftOut.criticalPath },
    };
  },
});

function nodeAnswer(node: DagNode, estimated: boolean): z.output<typeof nodeShape> {
  const { id, action = "", state = "pending", level, critical } = node;
  return {
    id,
    label: `${id}\n${action}`,
    action,
    status: state,
    level,
    critical,
    estimated,
    duration: seconds(node.durationMs),
    earliest_start: seconds(node.earliestStartMs),
    latest_start: seconds(node.latestStartMs),
    slack: seconds(node.totalSlackMs),
    free_slack: seconds(node.freeSlackMs),
  };
}

const seconds = (ms = 0): number => ms / 1_000;
