import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { fault, isFault, sentenceOf } from "../errors/index.ts";
import { ACTORS, openSystem, type RunOutcome, type System } from "../system/index.ts";
import type { RunEvent, RunStatus } from "../workflow/workflow.protocol.ts";
import { instantiate, parseTemplate } from "../workflow/template.ts";
import { textOf, textsOf, type Command, type Values } from "./arguments.ts";
import { parseChaos, type Chaos } from "./chaos.ts";
import { openInterrupts } from "./interrupts.ts";
import { writeWhole } from "./whole-file.ts";
import { liveView, plainView, seconds, silentView, type RunView } from "./run-view.ts";

export const runCommand: Command = {
  name: "run",
  operands: "<template.json>",
  summary: "run a workflow from a template file to its end",
  flags: {
    tasks: { type: "string", multiple: true, value: "<module>", help: "module of handlers; may be given several times" },
    param: { type: "string", multiple: true, value: "<name>=<value>", help: "a parameter of the template; JSON or text" },
    out: { type: "string", value: "<dir>", help: "directory for results: the template's parameter `out` (default out)" },
    page: { type: "string", value: "<module>", help: "module that makes a page of the finished run" },
    data: { type: "string", value: "<dir>", help: "data directory (default .mcplusplus)" },
    threads: { type: "string", value: "<n>", help: "handlers that run at once (default: one per core)" },
    json: { type: "boolean", help: "one JSON summary on standard output, and nothing else" },
    chaos: { type: "string", value: "<actor>@<n>%", help: `drill: kill an actor on the way (${ACTORS.join(", ")})` },
  },
  examples: [
    "mcplusplus run flights.json --tasks flights.tasks.ts",
    "mcplusplus run flights.json --tasks flights.tasks.ts --param flights=mine.json --json",
    "mcplusplus run flights.json --tasks flights.tasks.ts --chaos queue@40%",
  ],
  run,
};

/** What is left of a run for `--json` and for the last lines. */
interface Summary {
  readonly success: boolean;
  readonly workflow_id: string;
  readonly status: string;
  readonly execution_time: number;
  readonly cached_steps: number;
  readonly steps: readonly { step_id: string; status: string; cached: boolean; execution_time: number | null; error?: string }[];
  readonly files: readonly string[];
  readonly restarted: readonly string[];
  readonly error?: string;
  readonly code?: string;
}

async function run(operands: readonly string[], values: Values): Promise<number> {
  const [template, ...more] = operands;
  if (!template || more.length > 0) {
    const got = template ? `${operands.length} files` : "missing";
    throw fault("INVALID_ARGUMENT", { argument: "the template", got, allowed: "one file: mcplusplus run <template.json>" });
  }
  const json = values["json"] === true;
  const startMs = performance.now();
  try {
    const chaosText = textOf(values, "chaos");
    const chaos = chaosText === undefined ? undefined : parseChaos(chaosText);
    const view = viewFor(json);
    const summary = await runTemplate(template, values, view, chaos, startMs);
    if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    else for (const line of closingLines(summary)) process.stdout.write(`${line}\n`);
    if (summary.success) return 0;
    if (summary.error) process.stderr.write(`mcplusplus: ${summary.error}\n`);
    return summary.status === "cancelled" ? 130 : 1;
  } catch (error) {
    if (!json) throw error;
    const code = isFault(error) ? error.code : "DEFECT";
    process.stdout.write(`${JSON.stringify({ success: false, error: sentenceOf(error), code })}\n`);
    return 1;
  }
}

async function runTemplate(
  path: string,
  values: Values,
  view: RunView,
  chaos: Chaos | undefined,
  startMs: number,
): Promise<Summary> {
  const out = textOf(values, "out") ?? "out";
  const template = parseTemplate(await read(path), path);
  const parameters = parametersOf(values, template.parameters, out);
  const workflowId = `${template.templateId}-${Date.now().toString(36)}`;
  const definition = instantiate(template, parameters, workflowId);
  const pageModule = textOf(values, "page");
  const threads = textOf(values, "threads");
  await using system = await openSystem({
    data: textOf(values, "data") ?? ".mcplusplus",
    tasks: textsOf(values, "tasks"),
    ...(threads === undefined ? {} : { threads: Number(threads) }),
  });
  const interrupts = openInterrupts((text) => view.note(text));
  try {
    const drill = drillFor(system, chaos, view);
    let begun = false;
    const onEvent = (event: RunEvent): void => {
      view.tell(event);
      drill.tell(event);
    };
    const statusFirst = (status: RunStatus): void => {
      if (!begun) view.begin(status);
      begun = true;
    };
    const outcome = await system.run(definition, { signal: interrupts.signal, onEvent, onSubmitted: statusFirst });
    await drill.settled();
    view.end();
    const files = outcome.status.state === "completed" ? await finish(outcome, out, pageModule) : [];
    return summaryOf(outcome, { files, restarted: drill.restarted, startMs });
  } finally {
    view.end();
    interrupts.close();
  }
}

/** Writes the page, if one was asked for, and tells what is there. */
async function finish(outcome: RunOutcome, out: string, pageModule: string | undefined): Promise<string[]> {
  const files = Object.values(outcome.outputs)
    .map((output) => (output as { file?: unknown } | null)?.file)
    .filter((file) => typeof file === "string");
  if (pageModule === undefined) return files;
  const module = (await import(pathToFileURL(resolve(pageModule)).href).catch((error: unknown) => {
    throw fault("MODULE_INVALID", { module: pageModule, why: sentenceOf(error) }, { cause: error });
  })) as { default?: (run: { run: RunStatus; outputs: RunOutcome["outputs"] }) => { file: string; html: string } };
  if (typeof module.default !== "function") {
    throw fault("MODULE_INVALID", { module: pageModule, why: "its default export is no function" });
  }
  const { file, html } = module.default({ run: outcome.status, outputs: outcome.outputs });
  const path = join(out, file);
  await writeWhole(path, html);
  return [...files, path];
}

/** Kills one actor when the run has come so far, once. */
function drillFor(system: System, chaos: Chaos | undefined, view: RunView): {
  tell(event: RunEvent): void;
  settled(): Promise<void>;
  readonly restarted: string[];
} {
  const restarted: string[] = [];
  let killing: Promise<void> | undefined;
  return {
    restarted,
    tell({ progress }) {
      if (!chaos || killing || progress < chaos.atProgress) return;
      view.note(`drill: killing ${chaos.actor} at ${Math.round(progress * 100)} %`);
      restarted.push(chaos.actor);
      killing = system.kill(chaos.actor);
    },
    async settled() {
      await killing;
      if (chaos && !killing) view.note(`drill: the run never reached ${chaos.atProgress * 100} %`);
    },
  };
}

function viewFor(json: boolean): RunView {
  if (json) return silentView;
  const write = (text: string): void => void process.stdout.write(text);
  return process.stdout.isTTY ? liveView(write, () => process.stdout.columns) : plainView(write);
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : sentenceOf(error);
    throw fault("FILE_UNREADABLE", { path, why }, { cause: error });
  }
}

/** `name=value` pairs; a value that is JSON is taken as such unless the template wants text. */
function parametersOf(
  values: Values,
  declared: readonly { readonly name: string; readonly type: string }[],
  out: string,
): Record<string, unknown> {
  const parameters: Record<string, unknown> = declared.some(({ name }) => name === "out") ? { out } : {};
  for (const pair of textsOf(values, "param")) {
    const [, name = "", text = ""] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
    if (name === "") {
      throw fault("INVALID_ARGUMENT", { argument: "--param", got: `"${pair}"`, allowed: "<name>=<value>" });
    }
    const wantsText = declared.find((each) => each.name === name)?.type === "string";
    parameters[name] = wantsText ? text : jsonOrText(text);
  }
  return parameters;
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function summaryOf(
  { status }: RunOutcome,
  { files, restarted, startMs }: { files: string[]; restarted: string[]; startMs: number },
): Summary {
  const failed = status.error ?? undefined;
  return {
    success: status.state === "completed",
    workflow_id: status.workflowId,
    status: status.state,
    execution_time: (performance.now() - startMs) / 1_000,
    cached_steps: status.steps.filter(({ cached }) => cached).length,
    steps: status.steps.map(({ stepId, state, cached, startedAtMs, endedAtMs, error }) => ({
      step_id: stepId,
      status: state,
      cached,
      execution_time: startedAtMs === null || endedAtMs === null ? null : (endedAtMs - startedAtMs) / 1_000,
      ...(error === null ? {} : { error: error.message }),
    })),
    files,
    restarted,
    ...(failed === undefined ? {} : { error: failed.message, code: failed.code }),
  };
}

function closingLines({ success, status, execution_time, cached_steps, steps, files }: Summary): string[] {
  const reused = cached_steps > 0 ? `, ${cached_steps} of ${steps.length} steps from the cache` : "";
  const head = `${status} in ${seconds(execution_time * 1_000)}${reused}`;
  return success ? [head, ...files.map((file) => `wrote ${file}`)] : [head];
}
