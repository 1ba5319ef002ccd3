import { fault } from "../errors/index.ts";
import { dagPicture } from "../workflow/index.ts";
import { numberOf, textOf, textsOf, toNumber, type Values } from "./arguments.ts";
import { TEMPLATE_FLAGS, runParameters } from "./run-parameters.ts";
import { loadTemplate, loadTemplates } from "./template-files.ts";
import {
  PAGE_FLAGS,
  given,
  pageArgs,
  toolCommand,
  type Answer,
  type CommandGroup,
  type OpenCommand,
} from "./tool-command.ts";
import {
  changedLines,
  graphLines,
  historyLines,
  rerunLines,
  resultLines,
  runLines,
  runTable,
  stepLogLines,
  whatIfLines,
} from "./workflow-lines.ts";
import { dataOf } from "./setting-flags.ts";

const idArgs = ([id]: readonly string[]): Record<string, unknown> => ({ workflow_id: id });
const TYPED = { workflow_id: "<id>" };

const submit = toolCommand({
  name: "workflow submit",
  operands: "<template>",
  summary: "put a workflow from a template file on disk, and leave it to whoever has the directory open",
  flags: {
    ...TEMPLATE_FLAGS,
    id: {
      type: "string",
      value: "<id>",
      help: "id of the workflow (default: the template's and a random one)",
    },
    key: { type: "string", value: "<key>", help: "idempotency key: the same key is the same workflow" },
    priority: { type: "string", value: "<n>", help: "higher runs sooner (default 1)" },
  },
  examples: [
    "mcplusplus workflow submit report.yaml --param month=2026-11 --id report-1",
    "mcplusplus submit report.yaml --key nightly-2026-11-22",
  ],
  tool: "template_run",
  typed: { workflow_id: "--id", idempotency_key: "--key", parameters: "--param" },
  templatesOf: async ([path = ""], values) =>
    (await loadTemplates([path, ...textsOf(values, "include")])).registry,
  async argsOf([path = ""], values) {
    const template = await loadTemplate(path, textsOf(values, "include"));
    return given({
      template_id: template.templateId,
      version: template.version,
      parameters: runParameters(textsOf(values, "param"), undefined, template).values,
      workflow_id: textOf(values, "id"),
      idempotency_key: textOf(values, "key"),
      priority: numberOf(values, "priority"),
    });
  },
  options: (values) => ({ data: dataOf(values), attach: true, idle: true }),
  linesOf({ workflow_id, status: state, replayed }, values) {
    const id = String(workflow_id);
    if (replayed === true) return [`workflow ${id} was submitted before, and is ${String(state)}`];
    const data = dataOf(values);
    return [
      `workflow ${id} is submitted`,
      `It is on disk in ${data}, and goes on while a process has that directory open: mcplusplus serve --data ${data}`,
    ];
  },
});

const list = toolCommand({
  name: "workflow list",
  operands: "",
  summary: "list workflows in the order of their submission",
  flags: {
    status: {
      type: "string",
      value: "<state>",
      help: "submitted, running, paused, cancelling, completed, failed or cancelled",
    },
    tag: {
      type: "string",
      multiple: true,
      value: "<tag>",
      help: "only those with this tag; may be repeated",
    },
    ...PAGE_FLAGS,
    limit: { type: "string", value: "<n>", help: "how many at most, 1 to 1000 (default 50)" },
  },
  examples: [
    "mcplusplus workflow list --status failed",
    "mcplusplus workflow list --tag nightly --limit 20 --json",
  ],
  tool: "workflow_list",
  typed: { status_filter: "--status", tag_filter: "--tag" },
  argsOf: (_, values) =>
    given({
      status_filter: textOf(values, "status"),
      tag_filter: values["tag"] ? textsOf(values, "tag") : undefined,
      ...pageArgs(values),
    }),
  linesOf: runTable,
});

const status = toolCommand({
  name: "workflow status",
  operands: "<id>",
  summary: "show how far a workflow and each of its steps is",
  flags: {},
  examples: ["mcplusplus workflow status report-1"],
  tool: "workflow_status",
  typed: TYPED,
  argsOf: (operands) => ({ ...idArgs(operands), include_metrics: true }),
  linesOf: runLines,
});

const result = toolCommand({
  name: "workflow result",
  operands: "<id>",
  summary: "show what came out of a workflow that has ended; fails when the workflow has",
  flags: {},
  examples: ["mcplusplus workflow result report-1", "mcplusplus workflow result report-1 --json"],
  tool: "workflow_result",
  failsWithTask: true,
  typed: TYPED,
  argsOf: idArgs,
  linesOf: resultLines,
});

const cancel = toolCommand({
  name: "workflow cancel",
  operands: "<id>",
  summary: "stop a workflow",
  flags: {
    reason: { type: "string", value: "<text>", help: "becomes part of the error of the workflow" },
    force: { type: "boolean", help: "do not wait for running handlers, and undo nothing" },
  },
  examples: [`mcplusplus workflow cancel report-1 --reason "no longer needed"`],
  tool: "workflow_cancel",
  typed: TYPED,
  argsOf: (operands, values) =>
    given({ ...idArgs(operands), reason: textOf(values, "reason"), force: values["force"] }),
  linesOf: ({ workflow_id, status: state, message }) => [
    `workflow ${String(workflow_id)} is ${String(state)}: ${String(message)}`,
  ],
});

const pause = toolCommand({
  name: "workflow pause",
  operands: "<id>",
  summary: "start no further step of a workflow until workflow resume, also through restarts",
  flags: { reason: { type: "string", value: "<text>", help: "kept with the pause" } },
  examples: [`mcplusplus workflow pause report-1 --reason "the source is down"`],
  tool: "run_pause",
  typed: TYPED,
  argsOf: (operands, values) => given({ ...idArgs(operands), reason: textOf(values, "reason") }),
  linesOf: changedLines,
});

const resume = toolCommand({
  name: "workflow resume",
  operands: "<id>",
  summary: "let a paused workflow go on where it stood",
  flags: {},
  examples: ["mcplusplus workflow resume report-1"],
  tool: "run_resume",
  typed: TYPED,
  argsOf: idArgs,
  linesOf: changedLines,
});

const rerun = toolCommand({
  name: "workflow rerun",
  operands: "<id>",
  summary: "make a new run of one that has ended, with what completed taken over",
  flags: {
    as: {
      type: "string",
      value: "<id>",
      help: "id of the new run (default: <id>~2, or the next free number)",
    },
    from: {
      type: "string",
      multiple: true,
      value: "<step>",
      help: "step to run again, with all that depends on it; may be repeated (default: what did not complete)",
    },
  },
  examples: [
    "mcplusplus workflow rerun report-1",
    "mcplusplus workflow rerun report-1 --from fetch --as report-1b",
  ],
  tool: "run_rerun",
  typed: { ...TYPED, new_workflow_id: "--as", from_steps: "--from" },
  argsOf: (operands, values) =>
    given({
      ...idArgs(operands),
      new_workflow_id: textOf(values, "as"),
      from_steps: values["from"] ? textsOf(values, "from") : undefined,
    }),
  linesOf: rerunLines,
});

const history = toolCommand({
  name: "workflow history",
  operands: "<id>",
  summary: "list what happened in a workflow, oldest first",
  flags: PAGE_FLAGS,
  examples: ["mcplusplus workflow history report-1 --limit 1000"],
  tool: "run_history",
  typed: TYPED,
  argsOf: (operands, values) => given({ ...idArgs(operands), ...pageArgs(values) }),
  linesOf: historyLines,
});

const logs = toolCommand({
  name: "workflow logs",
  operands: "<id> <step>",
  summary: "show what the handler of a step logged and printed",
  flags: {
    index: { type: "string", value: "<n>", help: "of a step with for_each: which item, from 0 (default 0)" },
    ...PAGE_FLAGS,
  },
  examples: ["mcplusplus workflow logs report-1 fetch"],
  tool: "run_logs",
  typed: { ...TYPED, step_id: "<step>" },
  argsOf: ([id, step], values) =>
    given({ ...idArgs([id ?? ""]), step_id: step, index: numberOf(values, "index"), ...pageArgs(values) }),
  linesOf: stepLogLines,
});

const FORMATS = ["json", "dot", "mermaid", "svg"];

const graph = toolCommand({
  name: "workflow graph",
  operands: "<id>",
  summary: "show the steps as a graph, with the critical path and how late each step could start",
  flags: {
    format: {
      type: "string",
      value: "<format>",
      help: "json, dot (Graphviz), mermaid or svg (a picture), for other programs (default: a table)",
    },
  },
  examples: [
    "mcplusplus workflow graph report-1",
    "mcplusplus workflow graph report-1 --format svg > report-1.svg",
    "mcplusplus workflow graph report-1 --format dot | dot -Tpng > report-1.png",
  ],
  tool: "workflow_dependencies",
  typed: TYPED,
  argsOf(operands, values) {
    const format = formatOf(values);
    return given({ ...idArgs(operands), fmt: format === "svg" ? undefined : format });
  },
  follow: async (answer, open) => (formatOf(open.values) === "svg" ? pictured(answer, open) : answer),
  linesOf: (answer, values) => graphLines(answer, formatOf(values)),
});

/** @throws INVALID_ARGUMENT */
function formatOf(values: Values): string | undefined {
  const format = textOf(values, "format");
  if (format === undefined || FORMATS.includes(format)) return format;
  const allowed = `one of ${FORMATS.join(", ")}`;
  throw fault("INVALID_ARGUMENT", { argument: "--format", got: `"${format}"`, allowed });
}

async function pictured(answer: Answer, { system }: OpenCommand): Promise<Answer> {
  const { steps, name } = await system.status(String(answer["workflow_id"]));
  const picture = dagPicture(steps, { critical: answer["critical_path"] as string[], title: name });
  // In a page an element needs no name of its language, in a file of its own it does.
  const dag = picture.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ');
  return { ...answer, format: "svg", dag };
}

/** What may be otherwise. */
const CHANGES = ["new-workers", "duration", "factor", "without"];

const whatIf = toolCommand({
  name: "workflow what-if",
  operands: "<id>",
  summary: "say how long a workflow would take with a change; nothing is run",
  flags: {
    workers: { type: "string", value: "<n>", help: "steps that run at a time (default: all that may)" },
    "new-workers": { type: "string", value: "<n>", help: "the same after the change" },
    duration: {
      type: "string",
      multiple: true,
      value: "<step>=<s>",
      help: "seconds that a step takes after the change; may be repeated",
    },
    factor: {
      type: "string",
      multiple: true,
      value: "<step>=<x>",
      help: "how many times as long as before: 0.5 is twice as fast; may be repeated",
    },
    without: {
      type: "string",
      multiple: true,
      value: "<step>=<other>",
      help: "the step does not wait for the other one; may be repeated",
    },
  },
  examples: [
    "mcplusplus workflow what-if report-1 --workers 2 --new-workers 4",
    "mcplusplus workflow what-if report-1 --factor fetch=0.5 --without chart=totals",
  ],
  tool: "run_what_if",
  typed: { ...TYPED, durations: "--duration", factors: "--factor" },
  argsOf(operands, values) {
    if (CHANGES.every((flag) => values[flag] === undefined)) {
      const allowed = `at least one of ${CHANGES.map((flag) => `--${flag}`).join(", ")}`;
      throw fault("INVALID_ARGUMENT", { argument: "the change", got: "missing", allowed });
    }
    return given({
      ...idArgs(operands),
      workers: numberOf(values, "workers"),
      new_workers: numberOf(values, "new-workers"),
      durations: numbersOf(values, "duration"),
      factors: numbersOf(values, "factor"),
      without: values["without"]
        ? pairsOf(values, "without", "<step>=<other>").map(([step_id, depends_on]) => ({
            step_id,
            depends_on,
          }))
        : undefined,
    });
  },
  linesOf: whatIfLines,
});

/** @throws INVALID_ARGUMENT */
function numbersOf(values: Values, flag: string): Record<string, number> | undefined {
  if (!values[flag]) return undefined;
  const pairs = pairsOf(values, flag, "<step>=<number>");
  return Object.fromEntries(pairs.map(([step, text]) => [step, toNumber(text, `--${flag} ${step}`)]));
}

/** The ids of steps may have any signs: the last one parts them. @throws INVALID_ARGUMENT */
function pairsOf(values: Values, flag: string, allowed: string): [string, string][] {
  return textsOf(values, flag).map((text) => {
    const [, step, rest] = /^(.+)=([^=]+)$/s.exec(text) ?? [];
    if (step !== undefined && rest !== undefined) return [step, rest];
    throw fault("INVALID_ARGUMENT", { argument: `--${flag}`, got: `"${text}"`, allowed });
  });
}

export const workflowGroup: CommandGroup = {
  name: "workflow",
  summary: "workflows that were submitted",
  commands: [submit, list, status, result, cancel, pause, resume, rerun, history, logs, graph, whatIf],
};
