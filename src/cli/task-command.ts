import { randomUUID } from "node:crypto";
import { fault, sentenceOf } from "../errors/index.ts";
import { numberOf, textOf, textsOf, toNumber, type Flags, type Values } from "./arguments.ts";
import { readText } from "./text-file.ts";
import { counted, factLines, logLines, tableLines } from "./table.ts";
import { followTask } from "./task-follow.ts";
import { PAGE_FLAGS, given, pageArgs, toolCommand, type Answer, type CommandGroup } from "./tool-command.ts";
import { SETTING_FLAGS, dataOf, setting, settings, threadsOf } from "./setting-flags.ts";

const idArgs = ([id]: readonly string[]): Record<string, unknown> => ({ task_id: id });

const submitFlags: Flags = {
  input: { type: "string", value: "<json>", help: "the handler's input, a JSON object (default {})" },
  "input-file": { type: "string", value: "<file>", help: "the same from a file" },
  id: { type: "string", value: "<id>", help: "id of the task (default: a random one)" },
  priority: { type: "string", value: "<n>", help: "higher runs sooner (default 1)" },
  retries: { type: "string", value: "<n>", help: "attempts beyond the first (default 0)" },
  backoff: { type: "string", value: "<shape>", help: "none, fixed, linear or exponential (default)" },
  timeout: { type: "string", value: "<s>", help: "seconds that one attempt may take" },
  delay: { type: "string", value: "<s>", help: "seconds before it may start (default 0)" },
  deadline: { type: "string", value: "<time>", help: "when it should have ended, like 2026-01-31T12:00:00Z" },
  "depends-on": {
    type: "string",
    multiple: true,
    value: "<id>",
    help: "task that must complete first; may be repeated",
  },
  "on-dependency-failure": { type: "string", value: "<what>", help: "cancel (default) or run" },
  key: { type: "string", value: "<key>", help: "idempotency key: the same key is the same task" },
  tag: { type: "string", multiple: true, value: "<tag>", help: "word to find it by; may be repeated" },
  requires: {
    type: "string",
    multiple: true,
    value: "<name>",
    help: "capability of its worker; may be repeated",
  },
  ...settings("tasks"),
  wait: { type: "boolean", help: "run it here, show its progress, and end with it" },
  threads: setting("threads", `with --wait: ${SETTING_FLAGS.threads.help}`),
  root: setting("root", `with --wait: ${SETTING_FLAGS.root.help}`),
  "allow-host": setting("allow-host", `with --wait: ${SETTING_FLAGS["allow-host"].help}`),
};

const submit = toolCommand({
  name: "task submit",
  operands: "<action>",
  summary: "put a task on disk, and with --wait run it to its end",
  flags: submitFlags,
  examples: [
    `mcplusplus task submit resize --tasks my.tasks.ts --input '{"file":"a.png"}' --retries 3`,
    `mcplusplus task submit sleep --input '{"ms":2000}' --wait`,
  ],
  tool: "task_submit",
  failsWithTask: true,
  typed: {
    task_id: "--id",
    task_type: "<action>",
    payload: "--input",
    "retry_policy.max_retries": "--retries",
    "retry_policy.backoff": "--backoff",
    delay_seconds: "--delay",
    idempotency_key: "--key",
    tags: "--tag",
    required_capabilities: "--requires",
  },
  async argsOf([action], values) {
    const list = (name: string): string[] | undefined => (values[name] ? textsOf(values, name) : undefined);
    return given({
      task_id: textOf(values, "id") ?? randomUUID(),
      task_type: action,
      payload: await inputOf(values),
      priority: numberOf(values, "priority"),
      timeout: numberOf(values, "timeout"),
      retry_policy: given({ max_retries: numberOf(values, "retries"), backoff: textOf(values, "backoff") }),
      delay_seconds: numberOf(values, "delay"),
      deadline: textOf(values, "deadline"),
      depends_on: list("depends-on"),
      on_dependency_failure: textOf(values, "on-dependency-failure"),
      idempotency_key: textOf(values, "key"),
      tags: list("tag"),
      required_capabilities: list("requires"),
    });
  },
  options(values) {
    const [data, tasks, threads] = [dataOf(values), textsOf(values, "tasks"), threadsOf(values)];
    // Only a handler thread can tell which actions a module has; what it begins meanwhile is given back.
    if (values["wait"] !== true)
      return {
        data,
        attach: true,
        ...(tasks.length === 0 ? { idle: true } : { tasks, threads: 1, graceMs: 0 }),
      };
    const roots = [process.cwd(), data, ...textsOf(values, "root")];
    const allowedHosts = textsOf(values, "allow-host");
    return { data, attach: true, tasks, roots, allowedHosts, ...(threads === undefined ? {} : { threads }) };
  },
  async follow(answer, open) {
    return open.values["wait"] === true ? followTask(String(answer["task_id"]), open) : answer;
  },
  linesOf(answer, values) {
    if (values["wait"] === true) return resultLines(answer);
    const { task_id, status, replayed } = answer;
    if (replayed === true) return [`task ${String(task_id)} was submitted before, and is ${String(status)}`];
    const handlers = textsOf(values, "tasks").length > 0 ? " with its handlers" : "";
    return [
      `task ${String(task_id)} is ${status === "queued" ? `queued${placeText(answer)}` : "accepted"}`,
      `It is on disk in ${dataOf(values)}, and runs as soon as a process has that directory open${handlers}.`,
    ];
  },
});

const status = toolCommand({
  name: "task status",
  operands: "<id>",
  summary: "show where a task is in its life",
  flags: {},
  examples: ["mcplusplus task status 4711"],
  tool: "task_status",
  typed: { task_id: "<id>" },
  argsOf: (operands) => ({ ...idArgs(operands), include_metrics: true }),
  linesOf: statusLines,
});

const list = toolCommand({
  name: "task list",
  operands: "",
  summary: "list tasks in the order of their submission",
  flags: {
    status: {
      type: "string",
      value: "<state>",
      help: "queued, running, cancelling, completed, failed or cancelled",
    },
    worker: { type: "string", value: "<id>", help: "only those of this worker" },
    tag: {
      type: "string",
      multiple: true,
      value: "<tag>",
      help: "only those with this tag; may be repeated",
    },
    "priority-min": { type: "string", value: "<n>", help: "only those of at least this priority" },
    ...PAGE_FLAGS,
  },
  examples: ["mcplusplus task list --status failed", "mcplusplus task list --tag nightly --limit 20 --json"],
  tool: "task_list",
  typed: { status_filter: "--status", worker_filter: "--worker", tag_filter: "--tag" },
  argsOf(_, values) {
    return given({
      status_filter: textOf(values, "status"),
      worker_filter: textOf(values, "worker"),
      tag_filter: values["tag"] ? textsOf(values, "tag") : undefined,
      priority_min: numberOf(values, "priority-min"),
      ...pageArgs(values),
    });
  },
  linesOf: taskTable,
});

const cancel = toolCommand({
  name: "task cancel",
  operands: "<id>",
  summary: "stop a task",
  flags: {
    reason: { type: "string", value: "<text>", help: "becomes part of the task's error" },
    force: { type: "boolean", help: "do not wait for a running handler" },
  },
  examples: [`mcplusplus task cancel 4711 --reason "no longer needed"`],
  tool: "task_cancel",
  typed: { task_id: "<id>" },
  argsOf: (operands, values) =>
    given({ ...idArgs(operands), reason: textOf(values, "reason"), force: values["force"] }),
  linesOf: ({ task_id, status: state }) => [`task ${String(task_id)} is ${String(state)}`],
});

const result = toolCommand({
  name: "task result",
  operands: "<id>",
  summary: "show what came out of a task that has ended",
  flags: {},
  examples: ["mcplusplus task result 4711", "mcplusplus task result 4711 --json"],
  tool: "task_result",
  failsWithTask: true,
  typed: { task_id: "<id>" },
  argsOf: (operands) => ({ ...idArgs(operands), include_output: false }),
  linesOf: resultLines,
});

const retry = toolCommand({
  name: "task retry",
  operands: "<id>",
  summary: "make a new task with the work of one that failed or was cancelled",
  flags: {
    retries: { type: "string", value: "<n>", help: "attempts beyond the first (default: as before)" },
    timeout: { type: "string", value: "<s>", help: "seconds that one attempt may take (default: as before)" },
  },
  examples: ["mcplusplus task retry 4711 --retries 2"],
  tool: "task_retry",
  typed: {
    task_id: "<id>",
    "retry_config.max_retries": "--retries",
    "retry_config.timeout": "--timeout",
  },
  argsOf: (operands, values) => ({
    ...idArgs(operands),
    retry_config: given({ max_retries: numberOf(values, "retries"), timeout: numberOf(values, "timeout") }),
  }),
  linesOf: (answer) => [`task ${String(answer["retry_task_id"])} is queued${placeText(answer)}`],
});

const priority = toolCommand({
  name: "task priority",
  operands: "<id> [<n>]",
  summary: "give a task that has not ended another priority",
  flags: { by: { type: "string", value: "<n>", help: "in place of <n>: what to add to the present one" } },
  examples: [
    "mcplusplus task priority 4711 50",
    "mcplusplus task priority 4711 -- -50",
    "mcplusplus task priority 4711 --by -5",
  ],
  tool: "task_priority",
  typed: { task_id: "<id>", new_priority: "<n>", delta: "--by" },
  argsOf([id, wanted], values) {
    const by = numberOf(values, "by");
    if ((wanted === undefined) === (by === undefined)) {
      const got = wanted === undefined ? "missing" : "given beside --by";
      throw fault("INVALID_ARGUMENT", { argument: "<n>", got, allowed: "one of the two: <n> or --by <n>" });
    }
    const to = wanted === undefined ? undefined : toNumber(wanted, "<n>");
    return given({ task_id: id, new_priority: to, delta: by });
  },
  linesOf: ({ task_id, old_priority, new_priority, new_queue_position: ahead }) => [
    `task ${String(task_id)} has priority ${String(new_priority)} instead of ${String(old_priority)}` +
      (typeof ahead === "number" ? `; ${ahead} ahead of it` : ""),
  ],
});

const explain = toolCommand({
  name: "task explain",
  operands: "<id>",
  summary: "say why a task does not run",
  flags: {},
  examples: ["mcplusplus task explain 4711"],
  tool: "task_explain",
  typed: { task_id: "<id>" },
  argsOf: idArgs,
  linesOf({ task_id, explanation, inherited_from }) {
    const sentences = (explanation as string[]).map((sentence) => `  ${sentence}`);
    const heir =
      typeof inherited_from === "string"
        ? [`  it has the urgency of ${inherited_from}, which waits for it`]
        : [];
    return [
      `task ${String(task_id)}:`,
      ...(sentences.length > 0 ? sentences : ["  nothing holds it"]),
      ...heir,
    ];
  },
});

const logs = toolCommand({
  name: "task logs",
  operands: "<id>",
  summary: "show what a task's handler logged and printed",
  flags: {},
  examples: ["mcplusplus task logs 4711"],
  tool: "task_status",
  typed: { task_id: "<id>" },
  argsOf: (operands) => ({ ...idArgs(operands), include_logs: true }),
  linesOf({ task_id, logs: lines }) {
    const records = lines as Record<string, unknown>[];
    return records.length === 0 ? [`task ${String(task_id)} has logged nothing`] : records.flatMap(logLines);
  },
});

export const taskGroup: CommandGroup = {
  name: "task",
  summary: "single tasks",
  commands: [submit, status, cancel, list, result, retry, priority, explain, logs],
};

/** @throws INVALID_ARGUMENT, FILE_UNREADABLE */
async function inputOf(values: Values): Promise<unknown> {
  const [text, file] = [textOf(values, "input"), textOf(values, "input-file")];
  if (text !== undefined && file !== undefined) {
    throw fault("INVALID_ARGUMENT", {
      argument: "--input-file",
      got: "given beside --input",
      allowed: "one of the two",
    });
  }
  if (file === undefined) return text === undefined ? {} : parsed(text, "--input");
  return parsed(await readText(file), "--input-file");
}

function parsed(text: string, argument: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw fault("INVALID_ARGUMENT", {
      argument,
      got: `no JSON (${sentenceOf(error)})`,
      allowed: "a JSON object",
    });
  }
}

function placeText({ queue_position: ahead, queue_position_exact: exact }: Answer): string {
  if (typeof ahead !== "number") return "";
  return `, ${exact === false ? "at least " : ""}${ahead} ahead of it`;
}

const durationText = (seconds: unknown): string => (typeof seconds === "number" ? ` in ${seconds} s` : "");

function resultLines(answer: Answer): string[] {
  const { task_id, status: state, result: value, execution_time } = answer;
  const head = `task ${String(task_id)} ${String(state)}${durationText(execution_time)}`;
  return state === "completed" ? [head, ...JSON.stringify(value, null, 2).split("\n")] : [head];
}

function statusLines(answer: Answer): string[] {
  const { metrics } = answer;
  const { execution_time, wait_time, interruptions } = (metrics ?? {}) as Record<string, unknown>;
  const some = (list: unknown): unknown => (Array.isArray(list) && list.length > 0 ? list.join(", ") : null);
  const attempts = `${String(answer["attempt"])} of ${String(answer["max_attempts"])}`;
  return factLines([
    ["task", answer["task_id"]],
    ["action", answer["task_type"]],
    ["status", `${String(answer["status"])}${answer["dead_letter"] === true ? ", a dead letter" : ""}`],
    ["failure", answer["failure"]],
    ["progress", `${String(answer["progress"])} %`],
    ["priority", answer["priority"]],
    [
      "attempts",
      interruptions === 0 ? attempts : `${attempts}, and ${counted(interruptions, "interruption")}`,
    ],
    ["ahead", answer["queue_position"]],
    ["waits for", some(answer["blocked_by"])],
    ["not before", answer["not_before"]],
    ["deadline", answer["deadline"]],
    ["tags", some(answer["tags"])],
    ["worker", answer["worker_id"]],
    ["peer", answer["peer_id"] === "local" ? null : answer["peer_id"]],
    ["submitted", answer["submitted_time"]],
    ["started", answer["start_time"]],
    ["ended", answer["end_time"]],
    ["waited", typeof wait_time === "number" ? `${wait_time} s` : null],
    ["ran", typeof execution_time === "number" ? `${execution_time} s` : null],
    ["made of", answer["origin"]],
    ["made anew as", answer["successor"]],
  ]);
}

/** Tasks of a page, and what is beyond it. */
export function taskTable(answer: Answer): string[] {
  const tasks = answer["tasks"] as Record<string, unknown>[];
  if (tasks.length === 0) return ["no tasks"];
  const rows = tasks.map((task) => [
    task["task_id"],
    task["task_type"],
    task["status"],
    task["priority"],
    `${String(task["attempt"])}/${String(task["max_attempts"])}`,
    task["worker_id"],
    task["submitted_time"],
  ]);
  const headings = ["TASK", "ACTION", "STATUS", "PRIORITY", "ATTEMPT", "WORKER", "SUBMITTED"];
  const more =
    answer["has_more"] === true ? [`${tasks.length} of ${String(answer["total_count"])}; see --offset`] : [];
  return [...tableLines(headings, rows), ...more];
}
