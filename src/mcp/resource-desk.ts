import {
  ResourceNotFoundError,
  type ReadResourceResult,
  type Resource,
  type ResourceTemplateType,
} from "@modelcontextprotocol/server";
import { LIMITS, fault } from "../errors/index.ts";
import type { System } from "../system/index.ts";
import { TOOLS, callTool, plainJson } from "../tools/index.ts";
import { dagPicture, describeRun, mermaidOf } from "../workflow/index.ts";
import type { ClientRequest } from "./client-request.ts";
import { failedRequest } from "./protocol-error.ts";
import { namesOf, resourceUri } from "./resource-uri.ts";
import type { ToolServices } from "./tool-services.ts";
import { wholeValue } from "./whole-value.ts";

/** What a reader of one kind of resource needs. */
interface Reading {
  readonly system: System;
  readonly ids: readonly string[];
  /** What a tool answers. @throws what the tool failed with */
  ask(tool: string, args: Record<string, unknown>): Promise<Record<string, unknown>>;
}

interface Kind {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly mimeType: string;
  /** Names of its address; one in braces is an id. */
  readonly path: readonly string[];
  read(reading: Reading): Promise<unknown>;
}

const JSON_TYPE = "application/json";
const RUN = "{workflow_id}";
const TASK = "{task_id}";

const KINDS: readonly Kind[] = [
  {
    name: "runs",
    title: "Workflows",
    description: "The latest workflows, newest first, as workflow_list tells them",
    mimeType: JSON_TYPE,
    path: ["runs"],
    async read({ ask }) {
      const limit = 100;
      const { total_count: total } = await ask("workflow_list", { limit: 1 });
      const offset = Math.max(0, Number(total) - limit);
      const { workflows } = await ask("workflow_list", { limit, offset });
      return { total_count: total, workflows: Array.isArray(workflows) ? workflows.toReversed() : [] };
    },
  },
  {
    name: "health",
    title: "Health",
    description: "Whether all actors are up, and what each says of itself",
    mimeType: JSON_TYPE,
    path: ["health"],
    read: ({ system }) => system.health(),
  },
  {
    name: "metrics",
    title: "Metrics",
    description: "Counters, gauges and histograms of all threads",
    mimeType: JSON_TYPE,
    path: ["metrics"],
    read: async ({ system }) => system.metrics(),
  },
  {
    name: "run",
    title: "A workflow",
    description: "How far it is, with each step",
    mimeType: JSON_TYPE,
    path: ["runs", RUN],
    read: ({ ask, ids: [workflow_id] }) => ask("workflow_status", { workflow_id, include_metrics: true }),
  },
  {
    name: "run_result",
    title: "Result of a workflow",
    description: "The outputs of its steps, large ones included",
    mimeType: JSON_TYPE,
    path: ["runs", RUN, "result"],
    async read({ system, ids: [run = ""] }) {
      const { status, outputs } = await system.result(run);
      return { workflow_id: run, status: status.state, outputs: await wholeValue(outputs, system) };
    },
  },
  {
    name: "run_picture",
    title: "Picture of a workflow",
    description: "Its steps and their dependencies as an SVG image",
    mimeType: "image/svg+xml",
    path: ["runs", RUN, "dag.svg"],
    async read({ system, ids: [run = ""] }) {
      const status = await system.status(run);
      const { criticalPath } = describeRun(status);
      return dagPicture(status.steps, { title: status.name, critical: criticalPath });
    },
  },
  {
    name: "run_diagram",
    title: "Diagram of a workflow",
    description: "Its steps and their dependencies as text for Mermaid",
    mimeType: "text/vnd.mermaid",
    path: ["runs", RUN, "dag.mmd"],
    read: async ({ system, ids: [run = ""] }) => mermaidOf(describeRun(await system.status(run))),
  },
  {
    name: "run_graph",
    title: "Graph of a workflow",
    description: "Its steps with their times, critical path and slack, as workflow_dependencies tells them",
    mimeType: JSON_TYPE,
    path: ["runs", RUN, "dag.json"],
    read: ({ ask, ids: [workflow_id] }) => ask("workflow_dependencies", { workflow_id }),
  },
  {
    name: "step_logs",
    title: "Logs of a step",
    description: "What its handler logged and printed, oldest first",
    mimeType: "text/plain",
    path: ["runs", RUN, "logs", "{step_id}"],
    read: ({ system, ids: [run = "", step = ""] }) => allLines((page) => system.logs(run, step, page)),
  },
  {
    name: "task",
    title: "A task",
    description: "How far it is, and why it failed",
    mimeType: JSON_TYPE,
    path: ["tasks", TASK],
    read: ({ ask, ids: [task_id] }) => ask("task_status", { task_id, include_metrics: true }),
  },
  {
    name: "task_output",
    title: "Output of a task",
    description: "What its handler returned, also when that is large",
    mimeType: JSON_TYPE,
    path: ["tasks", TASK, "output"],
    async read({ system, ids: [task = ""] }) {
      const { output } = await system.tasks.result(task);
      return wholeValue(output ?? null, system);
    },
  },
  {
    name: "task_logs",
    title: "Logs of a task",
    description: "What its handler logged and printed, oldest first",
    mimeType: "text/plain",
    path: ["tasks", TASK, "logs"],
    read: ({ system, ids: [task = ""] }) => allLines((page) => system.tasks.logs(task, page)),
  },
];

const isId = (name: string): boolean => name.startsWith("{");
const isTemplate = ({ path }: Kind): boolean => path.some(isId);
const templateOf = ({ path }: Kind): string =>
  path.map((name, at) => (at === 0 ? resourceUri(name) : name)).join("/");

/** What there is to read: workflows, tasks, pictures, logs, metrics. Ids stand in addresses percent-encoded. */
export class ResourceDesk {
  readonly #services: ToolServices;
  readonly listing: readonly Resource[];
  readonly templates: readonly ResourceTemplateType[];

  constructor(services: ToolServices) {
    this.#services = services;
    this.listing = KINDS.filter((kind) => !isTemplate(kind)).map((kind) => ({
      uri: templateOf(kind),
      ...shownOf(kind),
    }));
    this.templates = KINDS.filter(isTemplate).map((kind) => ({
      uriTemplate: templateOf(kind),
      ...shownOf(kind),
    }));
  }

  /** @throws ResourceNotFoundError; SIZE_EXCEEDED above 8 MiB; what the system says */
  async read(uri: string, { signal }: ClientRequest): Promise<ReadResourceResult> {
    const names = namesOf(uri) ?? [];
    const kind = KINDS.find((each) => matches(each, names));
    if (kind === undefined) throw new ResourceNotFoundError(uri);
    const { door, templates, hygiene } = this.#services;
    const system = await door.opened(signal);
    const ask: Reading["ask"] = async (name, args) => {
      const tool = TOOLS.find((each) => each.name === name);
      if (tool === undefined) throw new TypeError(`defect: there is no tool ${name}`);
      const from = { open: async () => system, signal, ...(templates && { templates }) };
      const { success, ...rest } = await callTool(tool, args, from);
      if (success === true) return rest;
      const { code, error, retryable } = rest;
      throw failedRequest({ code: String(code), message: String(error), retryable: retryable === true });
    };
    const ids = names.filter((_, at) => isId(kind.path[at] ?? ""));
    const value = await kind.read({ system, ids, ask });
    const text = hygiene.clean(typeof value === "string" ? value : textOf(value, hygiene));
    const limit = LIMITS.mcp.resourceBytes;
    if (Buffer.byteLength(text) > limit) throw fault("SIZE_EXCEEDED", { what: uri, limit, unit: "bytes" });
    return { contents: [{ uri, mimeType: kind.mimeType, text }] };
  }
}

/** Cleaned as a value: a sign that is taken out of the text of JSON would take its escape apart. */
const textOf = (value: unknown, { cleanValue }: ToolServices["hygiene"]): string =>
  JSON.stringify(cleanValue(plainJson(value)));

const shownOf = ({ name, title, description, mimeType }: Kind) => ({ name, title, description, mimeType });

const matches = ({ path }: Kind, names: readonly string[]): boolean =>
  path.length === names.length &&
  path.every((name, at) => (isId(name) ? names[at] !== "" : name === names[at]));

interface LogPage {
  readonly lines: readonly { readonly atMs: number; readonly level: string; readonly message: string }[];
  readonly total: number;
}

/** The queue keeps less than 2,000 lines of a task. */
async function allLines(
  page: (at: { readonly offset: number; readonly limit: number }) => Promise<LogPage>,
): Promise<string> {
  const texts: string[] = [];
  for (;;) {
    const { lines, total } = await page({ offset: texts.length, limit: LIMITS.lists.pageItems });
    for (const { atMs, level, message } of lines)
      texts.push(`${new Date(atMs).toISOString()} ${level} ${message}`);
    if (lines.length === 0 || texts.length >= total) return texts.join("\n");
  }
}
