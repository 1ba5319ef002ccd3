import {
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  type CallToolResult,
} from "@modelcontextprotocol/server";
import { isFault } from "../errors/index.ts";
import type { System } from "../system/index.ts";
import { TOOLS, callTool } from "../tools/index.ts";
import type { ClientRequest } from "./client-request.ts";
import {
  TASKS_EXTENSION,
  workOf,
  workView,
  type DurableWork,
  type WorkState,
  type WorkStatus,
} from "./durable-work.ts";
import { toolResult } from "./tool-result.ts";
import type { ToolServices } from "./tool-services.ts";

type Members = Record<string, unknown>;

/**
 * Runs and tasks as a client that declared the extension for tasks follows them: started by a call, asked about by their
 * names, cancelled. They are on disk, so a name holds through restarts of the server, for as long as the work is kept.
 *
 * @see https://github.com/modelcontextprotocol/modelcontextprotocol SEP-2663, Tasks
 */
export class WorkDesk {
  readonly #services: ToolServices;

  constructor(services: ToolServices) {
    this.#services = services;
  }

  /** What a call answers that has started this work. */
  async started(work: DurableWork, { signal }: ClientRequest): Promise<CallToolResult> {
    const system = await this.#services.door.opened(signal);
    return { resultType: "task", ...workView(work, await statusOf(system, work)), content: [] };
  }

  /** How far it is; with its result when it has ended. */
  async get(taskId: string, request: ClientRequest): Promise<Members> {
    const { work, status } = await this.#find(taskId, request);
    const view = workView(work, status);
    if (status.state !== "completed") return view;
    const result = await this.#result(work, request);
    return {
      ...view,
      result: { ...result, resultType: "complete", isError: status.hasFailed || result.isError === true },
    };
  }

  /** Stops it: `get` tells when it has ended. One that has ended stays as it is. */
  async cancel(taskId: string, request: ClientRequest): Promise<Members> {
    const { work, status, system } = await this.#find(taskId, request);
    if (status.state !== "working") return {};
    const reason = "cancelled by the client";
    if (work.kind === "task") await system.tasks.cancel(work.id, { reason });
    // A run is waited for until it is quiet; that it is being cancelled is all that is promised here.
    else void system.cancel(work.id, { reason }).catch(() => undefined);
    return {};
  }

  /** Nothing here ever asks for input: what comes is for nobody. */
  async update(taskId: string, request: ClientRequest): Promise<Members> {
    await this.#find(taskId, request);
    return {};
  }

  async #find(
    taskId: string,
    { takesTasks, signal }: ClientRequest,
  ): Promise<{ work: DurableWork; status: WorkStatus; system: System }> {
    if (!takesTasks)
      throw new MissingRequiredClientCapabilityError({
        requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } },
      });
    const work = workOf(taskId);
    if (work === undefined) throw unknownTask(taskId);
    const system = await this.#services.door.opened(signal);
    try {
      return { work, status: await statusOf(system, work), system };
    } catch (error) {
      if (isFault(error, "TASK_NOT_FOUND") || isFault(error, "WORKFLOW_NOT_FOUND")) throw unknownTask(taskId);
      throw error;
    }
  }

  async #result({ kind, id }: DurableWork, { signal }: ClientRequest): Promise<CallToolResult> {
    const name = kind === "task" ? "task_result" : "workflow_result";
    const tool = TOOLS.find((each) => each.name === name);
    if (tool === undefined) throw new TypeError(`defect: there is no tool ${name}`);
    const args = kind === "task" ? { task_id: id } : { workflow_id: id };
    const { door } = this.#services;
    const answer = await callTool(tool, args, { open: () => door.opened(signal), signal });
    return toolResult(tool, args, answer, this.#services);
  }
}

async function statusOf(system: System, { kind, id }: DurableWork): Promise<WorkStatus> {
  const now = kind === "task" ? await system.tasks.status(id) : await system.status(id);
  const { state, submittedAtMs, startedAtMs, endedAtMs } = now;
  const percent = Math.round(now.progress * 100);
  return {
    state: stateOf(state),
    hasFailed: state === "failed",
    message: endedAtMs === null ? `${state}, ${percent} %` : state,
    createdMs: submittedAtMs,
    updatedMs: endedAtMs ?? startedAtMs ?? submittedAtMs,
  };
}

function stateOf(state: string): WorkState {
  if (state === "cancelled") return "cancelled";
  return state === "completed" || state === "failed" ? "completed" : "working";
}

const unknownTask = (taskId: string): ProtocolError =>
  new ProtocolError(
    ProtocolErrorCode.InvalidParams,
    `there is no task ${JSON.stringify(taskId.slice(0, 100))}`,
  );
