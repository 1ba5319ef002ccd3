import { counted, factLines, logLines, tableLines } from "./table.ts";
import type { Values } from "./arguments.ts";
import type { Answer } from "./tool-command.ts";
import { dataOf } from "./setting-flags.ts";

/** What the tools of workflows answer, in lines for people. */

type Row = Readonly<Record<string, unknown>>;

const rowsOf = (list: unknown): readonly Row[] => list as readonly Row[];
const percent = (value: unknown): string => (typeof value === "number" ? `${value} %` : "-");
const seconds = (value: unknown): string => (typeof value === "number" ? `${value} s` : "-");
const some = (list: unknown): string | null =>
  Array.isArray(list) && list.length > 0 ? list.join(", ") : null;

/** A page of runs, and what is beyond it. */
export function runTable({ workflows, has_more, total_count }: Answer): string[] {
  const runs = rowsOf(workflows);
  if (runs.length === 0) return ["no workflows"];
  const rows = runs.map((run) => [
    run["workflow_id"],
    run["status"],
    percent(run["progress"]),
    `${String(run["ended_steps"])}/${String(run["total_steps"])}`,
    run["submitted_time"],
    run["end_time"],
    run["name"],
  ]);
  const headings = ["WORKFLOW", "STATUS", "PROGRESS", "STEPS", "SUBMITTED", "ENDED", "NAME"];
  return [...tableLines(headings, rows), ...moreLines(runs.length, total_count, has_more)];
}

const moreLines = (shown: number, total: unknown, hasMore: unknown): string[] =>
  hasMore === true ? [`${shown} of ${String(total)}; see --offset`] : [];

export function runLines(answer: Answer): string[] {
  const { metrics, steps } = answer;
  const { execution_time } = (metrics ?? {}) as Row;
  // Where all ran here, that goes without saying.
  const isWhere = rowsOf(steps).some((step) => isElsewhere(step["peer_id"]));
  const rows = rowsOf(steps).map((step) => [
    step["step_id"],
    step["action"],
    statusOf(step),
    percent(step["progress"]),
    step["attempt"],
    ...(isWhere ? [shortPeer(step["peer_id"])] : []),
    seconds(step["execution_time"]),
    step["error"],
  ]);
  const where = isWhere ? ["WHERE"] : [];
  return [
    ...factLines([
      ["workflow", answer["workflow_id"]],
      ["name", answer["name"]],
      ["status", answer["status"]],
      ["failure", answer["failure"]],
      ["progress", percent(answer["progress"])],
      ["waits for", some(answer["waits_for"])],
      ["deadline", answer["deadline"]],
      ["tags", some(answer["tags"])],
      ["submitted", answer["submitted_time"]],
      ["started", answer["start_time"]],
      ["ended", answer["end_time"]],
      ["took", typeof execution_time === "number" ? `${execution_time} s` : null],
      ["rerun of", answer["origin"]],
      ["changed handlers", some(answer["handlers_changed"])],
    ]),
    "",
    ...tableLines(["STEP", "ACTION", "STATUS", "PROGRESS", "ATTEMPT", ...where, "TOOK", "ERROR"], rows),
  ];
}

const isElsewhere = (peer: unknown): peer is string => typeof peer === "string" && peer !== "local";

/** The end of an id tells peers apart; its beginning is the same for all. */
const shortPeer = (peer: unknown): unknown => (isElsewhere(peer) ? peer.slice(-PEER_CHARS) : peer);
const PEER_CHARS = 8;

function statusOf({ status, cached, reused, items }: Row): string {
  const state = String(status);
  if (cached === true) return `${state}, cached`;
  if (reused === true) return `${state}, reused`;
  const { completed, total } = (items ?? {}) as Row;
  return items === null || items === undefined ? state : `${state}, ${String(completed)}/${String(total)}`;
}

export function resultLines(answer: Answer): string[] {
  const { workflow_id, status, result, execution_time: took } = answer;
  const time = typeof took === "number" ? ` in ${took} s` : "";
  const head = `workflow ${String(workflow_id)} ${String(status)}${time}`;
  return status === "completed" ? [head, ...jsonLines(result)] : [head];
}

const jsonLines = (value: unknown): string[] => JSON.stringify(value, null, 2).split("\n");

/** Of a change that is on disk, and that somebody else carries on with. */
export const changedLines = ({ workflow_id, status, progress }: Answer, values: Values): string[] => [
  `workflow ${String(workflow_id)} is ${String(status)}, at ${percent(progress)}`,
  goesOn(status, values),
];

export function rerunLines(answer: Answer, values: Values): string[] {
  const { workflow_id, new_workflow_id, status, replayed, reused_steps, total_steps } = answer;
  const id = String(new_workflow_id);
  if (replayed === true) return [`workflow ${id} was made before, and is ${String(status)}`];
  const taken = `${String(reused_steps)} of ${counted(total_steps, "step")} taken over`;
  return [`workflow ${id} is a rerun of ${String(workflow_id)}, with ${taken}`, goesOn(status, values)];
}

const goesOn = (status: unknown, values: Values): string =>
  status === "paused"
    ? "It is on disk; workflow resume lets it go on."
    : `It is on disk in ${dataOf(values)}, and goes on when a process opens that directory with its handlers.`;

export function historyLines(answer: Answer): string[] {
  const events = rowsOf(answer["events"]);
  const dropped =
    answer["dropped_count"] === 0 ? [] : [`${counted(answer["dropped_count"], "event")} not kept`];
  if (events.length === 0) return ["no events", ...dropped];
  const rows = events.map((event) => [
    event["time"],
    event["step_id"],
    event["step_status"] ?? event["status"],
    event["attempt"],
    percent(event["progress"]),
    event["error"] ?? event["message"],
  ]);
  return [
    ...tableLines(["TIME", "STEP", "STATUS", "ATTEMPT", "PROGRESS", "MESSAGE"], rows),
    ...moreLines(events.length, answer["total_count"], answer["has_more"]),
    ...dropped,
  ];
}

export function stepLogLines(answer: Answer): string[] {
  const records = rowsOf(answer["logs"]);
  const { dropped_count: dropped } = answer;
  return [
    ...(dropped === 0 ? [] : [`${counted(dropped, "line")} not kept`]),
    ...(records.length === 0
      ? [`step ${String(answer["step_id"])} has logged nothing`]
      : records.flatMap(logLines)),
    ...moreLines(records.length, answer["total_count"], answer["has_more"]),
  ];
}

/** A format that was asked for is for another program; without one, it is for people. */
export function graphLines(answer: Answer, format: string | undefined): string[] {
  const { dag } = answer;
  if (format === "json") return jsonLines(dag);
  if (format !== undefined) return String(dag).trimEnd().split("\n");
  const rows = rowsOf(answer["nodes"]).map((node) => [
    node["id"],
    node["critical"] === true ? "yes" : null,
    node["status"],
    node["level"],
    `${seconds(node["duration"])}${node["estimated"] === true ? " ?" : ""}`,
    seconds(node["earliest_start"]),
    seconds(node["slack"]),
    some(
      rowsOf(answer["edges"])
        .filter(({ to }) => to === node["id"])
        .map(({ from }) => from),
    ),
  ]);
  const { nodes } = answer["left_out"] as Row;
  return [
    ...tableLines(["STEP", "CRITICAL", "STATUS", "LEVEL", "TAKES", "STARTS AT", "SLACK", "DEPENDS ON"], rows),
    ...(nodes === 0 ? [] : [counted(nodes, "more step")]),
    `critical path: ${seconds(answer["critical_path_time"])}; what has a ? is a guess`,
  ];
}

export function whatIfLines({ before, after, saved, estimated_steps }: Answer): string[] {
  const rowOf = (name: string, plan: Row): unknown[] => [
    name,
    plan["workers"],
    seconds(plan["duration"]),
    `${Math.round(Number(plan["utilisation"]) * 100)} %`,
    seconds(plan["critical_path"]),
    seconds(plan["lower_bound"]),
  ];
  const guessed =
    estimated_steps === 0 ? [] : [`${counted(estimated_steps, "step")} not ended: how long is a guess`];
  return [
    ...tableLines(
      ["PLAN", "WORKERS", "TAKES", "BUSY", "CRITICAL PATH", "AT LEAST"],
      [rowOf("before", before as Row), rowOf("after", after as Row)],
    ),
    `saved: ${seconds(saved)}`,
    ...guessed,
  ];
}
