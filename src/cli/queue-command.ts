import { fault } from "../errors/index.ts";
import { numberOf, textOf, textsOf, toNumber } from "./arguments.ts";
import { counted, factLines, tableLines } from "./table.ts";
import { given, toolCommand, type Answer, type CommandGroup } from "./tool-command.ts";

const stats = toolCommand({
  name: "queue stats",
  operands: "",
  summary: "show how many tasks there are in each state, whether the queue is paused, and its workers",
  flags: {},
  examples: ["mcplusplus queue stats", "mcplusplus queue stats --json"],
  tool: "queue_stats",
  argsOf() {
    return { include_worker_stats: true, include_historical: true };
  },
  linesOf: statsLines,
});

const pause = toolCommand({
  name: "queue pause",
  operands: "",
  summary: "start no task until queue resume, also through restarts",
  flags: { reason: { type: "string", value: "<text>", help: "shown in the figures and in explanations" } },
  examples: [`mcplusplus queue pause --reason "the disk is being changed"`],
  tool: "queue_pause",
  argsOf(_, values) {
    return given({ reason: textOf(values, "reason") });
  },
  linesOf: ({ paused_at, queued_tasks }) => [
    `the queue is paused since ${String(paused_at)}, with ${counted(queued_tasks, "queued task")}`,
  ],
});

const resume = toolCommand({
  name: "queue resume",
  operands: "",
  summary: "start tasks again",
  flags: {},
  examples: ["mcplusplus queue resume"],
  tool: "queue_resume",
  argsOf: () => ({}),
  linesOf: ({ queued_tasks }) => [`the queue is active, with ${counted(queued_tasks, "queued task")}`],
});

const drain = toolCommand({
  name: "queue drain",
  operands: "",
  summary: "pause the queue, and wait until nothing runs any more; queue resume ends it",
  flags: {
    reason: { type: "string", value: "<text>", help: "shown in the figures and in explanations" },
    wait: { type: "string", value: "<s>", help: "seconds to wait, up to 45 (default 30)" },
  },
  examples: ["mcplusplus queue drain", `mcplusplus queue drain --reason "a new version" --wait 45`],
  tool: "queue_drain",
  typed: { wait_seconds: "--wait" },
  argsOf: (_, values) => given({ reason: textOf(values, "reason"), wait_seconds: numberOf(values, "wait") }),
  linesOf: ({ drained, running_tasks, queued_tasks }) => [
    drained === true
      ? `nothing runs; ${counted(queued_tasks, "task")} queued`
      : `${counted(running_tasks, "task")} still running; ask again, or stop them`,
  ],
});

const alerts = toolCommand({
  name: "queue alerts",
  operands: "",
  summary: "say what is worth a word about the machine and the work",
  flags: {
    threshold: {
      type: "string",
      multiple: true,
      value: "<alert>=<n>",
      help: "another threshold; may be repeated",
    },
  },
  examples: ["mcplusplus queue alerts", "mcplusplus queue alerts --threshold queue_long=5000 --json"],
  tool: "alert_list",
  typed: { thresholds: "--threshold" },
  argsOf: (_, values) => ({ thresholds: thresholdsOf(textsOf(values, "threshold")) }),
  linesOf: ({ alerts: found }) => {
    const rows = found as readonly Record<string, unknown>[];
    return rows.length === 0
      ? ["nothing"]
      : rows.map((each) => `${String(each["severity"])}: ${String(each["message"])}`);
  },
});

/** @throws INVALID_ARGUMENT */
function thresholdsOf(pairs: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    pairs.map((pair): [string, number] => {
      const [, name = "", text = ""] = /^(\w+)=(.+)$/.exec(pair) ?? [];
      const allowed = "<alert>=<n>";
      if (name === "")
        throw fault("INVALID_ARGUMENT", { argument: "--threshold", got: `"${pair}"`, allowed });
      return [name, toNumber(text, `--threshold ${name}`)];
    }),
  );
}

const clear = toolCommand({
  name: "queue clear",
  operands: "",
  summary: "cancel the queued tasks and forget the ended ones",
  flags: {
    status: { type: "string", value: "<state>", help: "only these: queued, completed, failed or cancelled" },
    yes: { type: "boolean", help: "needed, since it cannot be taken back" },
  },
  examples: ["mcplusplus queue clear --status failed --yes"],
  tool: "queue_clear",
  typed: { status_filter: "--status" },
  argsOf(_, values) {
    return given({ status_filter: textOf(values, "status"), confirm: values["yes"] });
  },
  linesOf: ({ cleared_count, remaining_count }) => [
    `cleared ${counted(cleared_count, "task")}; ${String(remaining_count)} left`,
  ],
});

export const queueGroup: CommandGroup = {
  name: "queue",
  summary: "the queue as a whole",
  commands: [stats, pause, resume, drain, clear, alerts],
};

function statsLines(answer: Answer): string[] {
  const { status, pause_reason, paused_at, worker_stats } = answer;
  const why = typeof pause_reason === "string" && pause_reason !== "" ? `: ${pause_reason}` : "";
  const paused = `paused since ${String(paused_at)}${why}`;
  const count = (name: string): unknown => answer[`${name}_count`];
  // The queue's own pool does nothing here: this command runs no tasks.
  const workers = (worker_stats as Record<string, unknown>[]).filter((each) => each["worker_id"] !== "local");
  return [
    ...factLines([
      ["queue", status === "paused" ? paused : status],
      ["order", answer["order"]],
      ["durability", answer["durability"]],
      [
        "queued",
        `${String(count("queued"))} (${String(count("delayed"))} delayed, ${String(count("blocked"))} blocked)`,
      ],
      ["running", count("running")],
      ["cancelling", count("cancelling")],
      ["completed", count("completed")],
      ["failed", `${String(count("failed"))} (${counted(count("dead_letter"), "dead letter")})`],
      ["cancelled", count("cancelled")],
    ]),
    ...(workers.length === 0 ? [] : ["", ...workerTable(workers)]),
  ];
}

const workerTable = (workers: readonly Record<string, unknown>[]): string[] =>
  tableLines(
    ["WORKER", "STATUS", "RUNNING", "COMPLETED", "FAILED"],
    workers.map((each) => [
      each["worker_id"],
      each["status"],
      each["running_tasks"],
      each["completed_tasks"],
      each["failed_tasks"],
    ]),
  );
