import { fault } from "../errors/index.ts";
import { quotaList } from "./admin/quota-list.ts";
import { quotaRemove } from "./admin/quota-remove.ts";
import { quotaSet } from "./admin/quota-set.ts";
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

export { callTool, inputSchemaOf, type Tool } from "./tool.ts";
export type { Words } from "./words.ts";

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
  deadletters: [deadletterList, deadletterInspect, deadletterRedrive, deadletterPurge],
  runs: [runPause, runResume, runRerun, runHistory, runLogs, runWhatIf],
  templates: [templateList, templateShow, templateCheck, templateRun],
  cache: [cacheStats, cacheGet, cacheInvalidate, cacheClear],
  admin: [taskExplain, quotaSet, quotaList, quotaRemove],
} as const satisfies Readonly<Record<string, readonly Tool[]>>;

export type ToolsetName = keyof typeof TOOLSETS;

export const TOOLSET_NAMES = Object.freeze(Object.keys(TOOLSETS) as ToolsetName[]);

/** A host that shows all its tools to a model pays for each: what operators need has to be asked for. */
export const DEFAULT_TOOLSETS: readonly ToolsetName[] = Object.freeze(["workflow", "taskqueue"]);

/** Every tool there is. */
export const TOOLS: readonly Tool[] = Object.freeze(Object.values(TOOLSETS).flat());

/** The tools of some toolsets, in the order of all. @throws UNKNOWN_NAME */
export function toolsOf(toolsets: readonly string[] = DEFAULT_TOOLSETS): readonly Tool[] {
  const unknown = toolsets.find((name) => !Object.hasOwn(TOOLSETS, name));
  if (unknown !== undefined)
    throw fault("UNKNOWN_NAME", { kind: "toolset", name: unknown, known: TOOLSET_NAMES });
  return TOOLSET_NAMES.filter((name) => toolsets.includes(name)).flatMap((name) => TOOLSETS[name]);
}
