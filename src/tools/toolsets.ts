import { fault } from "../errors/index.ts";
import { invalidArgument } from "../schema/index.ts";
import { alertList } from "./admin/alert-list.ts";
import { queueDrain } from "./admin/queue-drain.ts";
import { quotaList } from "./admin/quota-list.ts";
import { quotaRemove } from "./admin/quota-remove.ts";
import { quotaSet } from "./admin/quota-set.ts";
import { systemDoctor } from "./admin/system-doctor.ts";
import { taskExplain } from "./admin/task-explain.ts";
import { cacheClear } from "./cache/cache-clear.ts";
import { cacheGet } from "./cache/cache-get.ts";
import { cacheInvalidate } from "./cache/cache-invalidate.ts";
import { cacheStats } from "./cache/cache-stats.ts";
import { deadletterInspect } from "./deadletters/deadletter-inspect.ts";
import { deadletterList } from "./deadletters/deadletter-list.ts";
import { deadletterPurge } from "./deadletters/deadletter-purge.ts";
import { deadletterRedrive } from "./deadletters/deadletter-redrive.ts";
import { runHistory } from "./runs/run-history.ts";
import { runLogs } from "./runs/run-logs.ts";
import { runPause } from "./runs/run-pause.ts";
import { runRerun } from "./runs/run-rerun.ts";
import { runResume } from "./runs/run-resume.ts";
import { runWhatIf } from "./runs/run-what-if.ts";
import { bootstrapNetwork } from "./peers/bootstrap-network.ts";
import { peerConnect } from "./peers/peer-connect.ts";
import { peerDisconnect } from "./peers/peer-disconnect.ts";
import { peerDiscover } from "./peers/peer-discover.ts";
import { peerList } from "./peers/peer-list.ts";
import { peerMetrics } from "./peers/peer-metrics.ts";
import { nodeStatus } from "./remote/node-status.ts";
import { peerAllow } from "./remote/peer-allow.ts";
import { peerDrop } from "./remote/peer-drop.ts";
import { peerGrants } from "./remote/peer-grants.ts";
import { peerOutlets } from "./remote/peer-outlets.ts";
import { peerRevoke } from "./remote/peer-revoke.ts";
import { peerUse } from "./remote/peer-use.ts";
import { queueClear } from "./taskqueue/queue-clear.ts";
import { queuePause } from "./taskqueue/queue-pause.ts";
import { queueResume } from "./taskqueue/queue-resume.ts";
import { queueStats } from "./taskqueue/queue-stats.ts";
import { taskCancel } from "./taskqueue/task-cancel.ts";
import { taskList } from "./taskqueue/task-list.ts";
import { taskPriority } from "./taskqueue/task-priority.ts";
import { taskResult } from "./taskqueue/task-result.ts";
import { taskRetry } from "./taskqueue/task-retry.ts";
import { taskStatus } from "./taskqueue/task-status.ts";
import { taskSubmit } from "./taskqueue/task-submit.ts";
import { workerRegister } from "./taskqueue/worker-register.ts";
import { workerStatus } from "./taskqueue/worker-status.ts";
import { workerUnregister } from "./taskqueue/worker-unregister.ts";
import { templateCheck } from "./templates/template-check.ts";
import { templateList } from "./templates/template-list.ts";
import { templateRun } from "./templates/template-run.ts";
import { templateShow } from "./templates/template-show.ts";
import type { Tool } from "./tool.ts";
import { workflowCancel } from "./workflow/workflow-cancel.ts";
import { workflowDependencies } from "./workflow/workflow-dependencies.ts";
import { workflowList } from "./workflow/workflow-list.ts";
import { workflowResult } from "./workflow/workflow-result.ts";
import { workflowStatus } from "./workflow/workflow-status.ts";
import { workflowSubmit } from "./workflow/workflow-submit.ts";

/** Tools that are offered together, in the order in which they are listed; clients cache by it. */
export const TOOLSETS = {
  workflow: [
    workflowSubmit,
    workflowStatus,
    workflowCancel,
    workflowList,
    workflowDependencies,
    workflowResult,
  ],
  taskqueue: [
    taskSubmit,
    taskStatus,
    taskCancel,
    taskList,
    taskPriority,
    taskResult,
    taskRetry,
    queueStats,
    queuePause,
    queueResume,
    queueClear,
    workerRegister,
    workerUnregister,
    workerStatus,
  ],
  peers: [peerDiscover, peerConnect, peerDisconnect, peerList, peerMetrics, bootstrapNetwork],
  deadletters: [deadletterList, deadletterInspect, deadletterRedrive, deadletterPurge],
  runs: [runPause, runResume, runRerun, runHistory, runLogs, runWhatIf],
  templates: [templateList, templateShow, templateCheck, templateRun],
  cache: [cacheStats, cacheGet, cacheInvalidate, cacheClear],
  remote: [nodeStatus, peerAllow, peerRevoke, peerGrants, peerUse, peerDrop, peerOutlets],
  admin: [taskExplain, quotaSet, quotaList, quotaRemove, alertList, queueDrain, systemDoctor],
} as const satisfies Readonly<Record<string, readonly Tool[]>>;

export type ToolsetName = keyof typeof TOOLSETS;

export const TOOLSET_NAMES = Object.freeze(Object.keys(TOOLSETS) as ToolsetName[]);

/** A host that shows all its tools to a model pays for each: what operators need has to be asked for. */
export const DEFAULT_TOOLSETS: readonly ToolsetName[] = Object.freeze(["workflow", "taskqueue", "peers"]);

/** Every tool there is. */
export const TOOLS: readonly Tool[] = Object.freeze(Object.values(TOOLSETS).flat());

/** Which tools are offered. */
export interface ToolSelection {
  /** Names of toolsets; default: `DEFAULT_TOOLSETS`. */
  readonly toolsets?: readonly string[] | undefined;
  /** Names of single tools, of any toolset: these and no others. Not together with `toolsets`. */
  readonly tools?: readonly string[] | undefined;
  /** Only those that change nothing; default false. */
  readonly readOnly?: boolean;
  /** Those of the user, which no toolset leaves out; default: none. */
  readonly own?: readonly Tool[];
}

/**
 * The tools that are offered: ours in the order of all of them, then the user's in theirs, however they were asked for.
 *
 * @throws UNKNOWN_NAME; INVALID_ARGUMENT when the parts contradict one another, or leave nothing
 */
export function selectTools({
  toolsets,
  tools,
  readOnly = false,
  own = [],
}: ToolSelection = {}): readonly Tool[] {
  if (toolsets !== undefined && tools !== undefined) {
    const allowed = "one of the two: single tools are named without their toolset";
    throw invalidArgument("the selection of tools", "toolsets and single tools", allowed);
  }
  const asked = tools === undefined ? [...inToolsets(toolsets), ...own] : named(tools, [...TOOLS, ...own]);
  const selected = readOnly ? asked.filter(({ hints }) => hints.readOnlyHint) : asked;
  const left = asked.find((tool) => !selected.includes(tool));
  if (left !== undefined && tools !== undefined) {
    throw invalidArgument(
      "the selection of tools",
      `read-only with "${left.name}"`,
      "tools that change nothing",
    );
  }
  if (selected.length === 0) throw invalidArgument("the selection of tools", "empty", "at least one tool");
  return Object.freeze(selected);
}

function inToolsets(toolsets: readonly string[] = DEFAULT_TOOLSETS): Tool[] {
  const unknown = toolsets.find((name) => !Object.hasOwn(TOOLSETS, name));
  if (unknown !== undefined)
    throw fault("UNKNOWN_NAME", { kind: "toolset", name: unknown, known: TOOLSET_NAMES });
  return TOOLSET_NAMES.filter((name) => toolsets.includes(name)).flatMap((name) => TOOLSETS[name]);
}

function named(names: readonly string[], all: readonly Tool[]): Tool[] {
  const known = all.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw fault("UNKNOWN_NAME", { kind: "tool", name: unknown, known });
  return all.filter(({ name }) => names.includes(name));
}
