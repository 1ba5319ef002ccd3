import { fault } from "../errors/index.ts";
import { numberOf, textOf, textsOf, type Flags, type Values } from "./arguments.ts";
import { counted, factLines, tableLines } from "./table.ts";
import { taskTable } from "./task-command.ts";
import { PAGE_FLAGS, given, pageArgs, toolCommand, type Answer, type CommandGroup } from "./tool-command.ts";

const filterFlags: Flags = {
  action: { type: "string", value: "<name>", help: "only tasks of this action" },
  tag: { type: "string", multiple: true, value: "<tag>", help: "only those with this tag; may be repeated" },
};

const filterArgs = (values: Values): Record<string, unknown> => ({
  type_filter: textOf(values, "action"),
  tag_filter: values["tag"] ? textsOf(values, "tag") : undefined,
});

/** These, or all that match. @throws INVALID_ARGUMENT for both at once */
function choiceArgs(ids: readonly string[], values: Values): Record<string, unknown> {
  if (ids.length === 0) return filterArgs(values);
  const filter = ["action", "tag"].find((name) => values[name] !== undefined);
  if (filter === undefined) return { task_ids: ids };
  const allowed = "ids, or --action and --tag";
  throw fault("INVALID_ARGUMENT", { argument: `--${filter}`, got: "given beside ids", allowed });
}

/** What was typed for the arguments of these tools. */
const TYPED = { task_id: "<id>", task_ids: "<id>", type_filter: "--action", tag_filter: "--tag" };

const list = toolCommand({
  name: "deadletters list",
  operands: "",
  summary: "list the tasks that failed for good",
  flags: { ...filterFlags, ...PAGE_FLAGS },
  examples: ["mcplusplus deadletters list --action resize"],
  tool: "deadletter_list",
  typed: TYPED,
  argsOf: (_, values) => given({ ...filterArgs(values), ...pageArgs(values) }),
  linesOf: taskTable,
});

const inspect = toolCommand({
  name: "deadletters inspect",
  operands: "<id>",
  summary: "show why each attempt of a task failed",
  flags: {},
  examples: ["mcplusplus deadletters inspect 4711"],
  tool: "deadletter_inspect",
  typed: TYPED,
  argsOf: ([id]) => ({ task_id: id }),
  linesOf: letterLines,
});

const redrive = toolCommand({
  name: "deadletters redrive",
  operands: "[<id> …]",
  summary: "make new tasks of these dead letters, or of all that match",
  flags: {
    ...filterFlags,
    limit: { type: "string", value: "<n>", help: "how many at most, 1 to 1000 (default 100)" },
  },
  examples: [
    "mcplusplus deadletters redrive 4711 4712",
    "mcplusplus deadletters redrive --action resize --limit 10",
  ],
  tool: "deadletter_redrive",
  typed: TYPED,
  argsOf: (operands, values) => given({ ...choiceArgs(operands, values), limit: numberOf(values, "limit") }),
  linesOf({ redriven, remaining_count }) {
    const rows = (redriven as Record<string, unknown>[]).map(({ task_id, new_task_id }) => [
      task_id,
      new_task_id,
    ]);
    const rest = `${counted(remaining_count, "dead letter")} left`;
    return rows.length === 0
      ? ["nothing to redrive"]
      : [...tableLines(["DEAD LETTER", "NEW TASK"], rows), rest];
  },
});

const purge = toolCommand({
  name: "deadletters purge",
  operands: "[<id> …]",
  summary: "forget these dead letters, or all that match",
  flags: {
    ...filterFlags,
    yes: { type: "boolean", help: "needed, since it cannot be taken back" },
  },
  examples: ["mcplusplus deadletters purge 4711 --yes"],
  tool: "deadletter_purge",
  typed: TYPED,
  argsOf: (operands, values) => given({ ...choiceArgs(operands, values), confirm: values["yes"] }),
  linesOf: ({ purged_count }) => [`purged ${counted(purged_count, "dead letter")}`],
});

export const deadLettersGroup: CommandGroup = {
  name: "deadletters",
  summary: "tasks that failed for good",
  commands: [list, inspect, redrive, purge],
};

function letterLines(answer: Answer): string[] {
  const attempts = answer["attempts"] as Record<string, unknown>[];
  return [
    ...factLines([
      ["task", answer["task_id"]],
      ["action", answer["task_type"]],
      ["status", `${String(answer["status"])}${answer["dead_letter"] === true ? ", a dead letter" : ""}`],
      ["failure", answer["failure"]],
      ["submitted", answer["submitted_time"]],
      ["ended", answer["end_time"]],
      ["made anew as", answer["successor"]],
    ]),
    ...(attempts.length === 0 ? [] : [""]),
    ...attemptLines(attempts),
  ];
}

function attemptLines(attempts: readonly Record<string, unknown>[]): string[] {
  if (attempts.length === 0) return [];
  return [
    ...tableLines(
      ["ATTEMPT", "KIND", "STARTED", "ENDED", "WORKER", "CODE"],
      attempts.map((each) => [
        each["attempt"],
        each["kind"],
        each["start_time"],
        each["end_time"],
        each["worker_id"],
        each["code"],
      ]),
    ),
    ...attempts.map((each) => `attempt ${String(each["attempt"])}: ${String(each["error"] ?? each["kind"])}`),
  ];
}
