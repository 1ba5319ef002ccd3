import { Console } from "node:console";
import { LIMITS } from "../errors/index.ts";
import { ACTORS, openSystem, type RunOutcome } from "../system/index.ts";
import { instantiate, type Template } from "../workflow/template.ts";
import { textOf, textsOf, wholeOf, type Command, type Values } from "./arguments.ts";
import { openDrill, parseChaos, type Chaos } from "./chaos.ts";
import { INTERRUPTED, failureOf, type Failure } from "./failure.ts";
import { openInterrupts } from "./interrupts.ts";
import { openOutDirectory, type OutDirectory } from "./out-directory.ts";
import { loadPage, type Page } from "./page-module.ts";
import { TEMPLATE_FLAGS, runParameters, type RunParameters } from "./run-parameters.ts";
import { closingLines, summaryOf, type RunSummary } from "./run-summary.ts";
import { liveView, plainView, silentView, type RunView } from "./run-view.ts";
import { loadTemplate } from "./template-files.ts";
import { dataOf, setting, settings, threadsOf } from "./setting-flags.ts";

export const runCommand: Command = {
  name: "run",
  operands: "<template>",
  summary: "run a workflow from a template file, JSON or YAML, to its end",
  flags: {
    ...settings("tasks"),
    ...TEMPLATE_FLAGS,
    out: {
      type: "string",
      value: "<dir>",
      help: "directory for results: the template's parameter `out` (default out)",
    },
    page: { type: "string", value: "<module>", help: "module that makes a page of the finished run" },
    ...settings("data", "allow-host", "threads", "heap-mb"),
    root: setting(
      "root",
      "directory that handlers may use, besides the working one, --out, --data and paths in --param",
    ),
    json: { type: "boolean", help: "one JSON summary on standard output, and nothing else" },
    chaos: {
      type: "string",
      value: "<actor>@<n>%",
      help: `drill: kill an actor on the way (${ACTORS.join(", ")})`,
    },
  },
  examples: [
    "mcplusplus run flights.json --tasks flights.tasks.ts",
    "mcplusplus run flights.json --tasks flights.tasks.ts --param flights=mine.json --json",
    "mcplusplus run flights.json --tasks flights.tasks.ts --chaos queue@40%",
  ],
  run,
};

async function run(operands: readonly string[], values: Values): Promise<number> {
  const [path = ""] = operands;
  // What goes wrong is told in one sentence at the end; an operator who wants more sets the level.
  process.env["MCPLUSPLUS_LOG"] ??= "error";
  const json = values["json"] === true;
  const { console } = globalThis;
  // A page module may print; standard output belongs to the summary.
  if (json) globalThis.console = new Console(process.stderr);
  const summary = await prepare(path, values)
    .then((plan) => carryOut(plan, viewFor(json)))
    .finally(() => void (globalThis.console = console));
  if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else for (const line of closingLines(summary)) process.stdout.write(`${line}\n`);
  if (summary.error) process.stderr.write(`mcplusplus: ${summary.error}\n`);
  if (summary.success) return 0;
  return summary.status === "cancelled" ? INTERRUPTED : 1;
}

/** Everything that can be known to be right before anything is started. */
interface Plan {
  readonly template: Template;
  readonly parameters: RunParameters;
  readonly out: OutDirectory;
  readonly page: Page | undefined;
  readonly chaos: Chaos | undefined;
  readonly threads: number | undefined;
  readonly heapMb: number | undefined;
  readonly data: string;
  readonly tasks: readonly string[];
  readonly roots: readonly string[];
  readonly allowedHosts: readonly string[];
  readonly startMs: number;
}

async function prepare(path: string, values: Values): Promise<Plan> {
  const startMs = performance.now();
  const chaosText = textOf(values, "chaos");
  const chaos = chaosText === undefined ? undefined : parseChaos(chaosText);
  const threads = threadsOf(values);
  const heapMb = wholeOf(values, "heap-mb", LIMITS.compute.heapMbMin, LIMITS.compute.heapMbMax);
  const template = await loadTemplate(path, textsOf(values, "include"));
  const parameters = runParameters(textsOf(values, "param"), textOf(values, "out"), template);
  const data = dataOf(values);
  const out = openOutDirectory(parameters.out, data);
  const pageModule = textOf(values, "page");
  const page = pageModule === undefined ? undefined : await loadPage(pageModule);
  const roots = [process.cwd(), data, out.path, ...parameters.named, ...textsOf(values, "root")];
  return {
    template,
    parameters,
    out,
    page,
    chaos,
    threads,
    heapMb,
    data,
    tasks: textsOf(values, "tasks"),
    roots,
    allowedHosts: textsOf(values, "allow-host"),
    startMs,
  };
}

async function carryOut(plan: Plan, view: RunView): Promise<RunSummary> {
  const {
    template,
    parameters,
    out,
    page,
    chaos,
    threads,
    heapMb,
    data,
    tasks,
    roots,
    allowedHosts,
    startMs,
  } = plan;
  const workflowId = `${template.templateId}-${Date.now().toString(36)}`;
  const definition = instantiate(template, parameters.values, workflowId);
  const interrupts = openInterrupts((text) => view.note(text));
  try {
    await using system = await openSystem({
      data,
      // Actors can be killed by their owner alone.
      attach: chaos === undefined,
      tasks,
      roots,
      allowedHosts,
      ...(threads === undefined ? {} : { threads }),
      ...(heapMb === undefined ? {} : { heapMb }),
    });
    const drill = openDrill(system, chaos, (text) => view.note(text));
    const running = system.run(definition, {
      signal: interrupts.signal,
      onSubmitted: (status) => view.begin(status),
      onEvent(event) {
        view.tell(event);
        drill.tell(event);
      },
    });
    // A system that gives up says why; the run alone would only know that it was stopped.
    const outcome = await Promise.race([running, system.failed]);
    const restarted = await drill.settled();
    view.end();
    const pageFailure = page && (await writePage(page, outcome, out));
    const executionMs = performance.now() - startMs;
    return summaryOf({ status: outcome.status, executionMs, files: out.written(), restarted, pageFailure });
  } finally {
    view.end();
    interrupts.close();
  }
}

/** The run stays as it ended, whatever becomes of its page. */
async function writePage(page: Page, outcome: RunOutcome, out: OutDirectory): Promise<Failure | undefined> {
  if (outcome.status.state !== "completed") return undefined;
  return page(outcome, out.path).then(() => undefined, failureOf);
}

function viewFor(json: boolean): RunView {
  if (json) return silentView;
  const write = (text: string): void => void process.stdout.write(text);
  const { stdout } = process;
  return stdout.isTTY
    ? liveView(write, () => ({ columns: stdout.columns, rows: stdout.rows }))
    : plainView(write);
}
