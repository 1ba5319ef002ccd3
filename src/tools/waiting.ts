import { LIMITS, isFault } from "../errors/index.ts";
import { z } from "../schema/zod-schema.ts";
import { moveOnAfter } from "../scope/index.ts";
import type { ToolCall } from "./tool.ts";

/** How often a caller who waits for a task is told how far it is. */
const LOOK_MS = 1_000;

export const waitSeconds = z
  .number()
  .min(0)
  .max(LIMITS.mcp.callMs / 1_000)
  .default(0)
  .describe("Wait so long for the end; an answer with status running says to ask again");

export const waitsMs = ({ wait_seconds }: { readonly wait_seconds: number }): number => wait_seconds * 1_000;

/** Returns at the end of the run, or after so long: nothing becomes of the run by that. @throws WORKFLOW_NOT_FOUND */
export async function waitForRun(
  workflowId: string,
  timeoutMs: number,
  { system, signal, report }: ToolCall,
): Promise<void> {
  if (timeoutMs === 0) return;
  const watch = async (scope: { readonly signal: AbortSignal }): Promise<void> => {
    for await (const { step, state, progress } of system.watch(workflowId, scope.signal))
      report?.(progress, step ? `${step.stepId}: ${step.state}` : state);
  };
  await moveOnAfter(timeoutMs, watch, { signal });
}

/** Likewise for a task. @throws TASK_NOT_FOUND */
export async function waitForTask(
  taskId: string,
  timeoutMs: number,
  { system, signal, report }: ToolCall,
): Promise<void> {
  if (timeoutMs === 0) return;
  await moveOnAfter(
    timeoutMs,
    async (scope) => {
      const telling =
        report &&
        scope.spawn(async () => {
          for (;;) {
            const { state, progress } = await system.tasks.status(taskId);
            report(progress, state);
            await scope.sleep(LOOK_MS);
          }
        });
      telling?.catch(() => undefined);
      await system.tasks.wait(taskId, { signal: scope.signal });
      scope.cancel("the task has ended");
    },
    { signal },
  );
}

/**
 * Whether a caller who was ready to wait is to be told that it goes on: that is what it asked, and no failure. A caller who
 * was not asked for a result, which is not there yet.
 */
export const goesOn = (error: unknown, waitedMs: number): boolean =>
  waitedMs > 0 && (isFault(error, "WORKFLOW_NOT_FINISHED") || isFault(error, "TASK_NOT_FINISHED"));
