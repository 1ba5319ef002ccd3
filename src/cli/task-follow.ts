import type { TaskStatus } from "../queue/queue.protocol.ts";
import { withScope } from "../scope/index.ts";
import type { Answer, OpenCommand } from "./tool-command.ts";

/** How often the progress is looked at: fast enough for a person. */
const LOOK_MS = 200;

/**
 * Shows a task until it has ended, and gives its result. An interruption cancels the task and waits until its handler
 * has left.
 */
export async function followTask(
  taskId: string,
  { system, signal, call, note }: OpenCommand,
): Promise<Answer> {
  const { tasks } = system;
  const onAbort = (): void => void tasks.cancel(taskId, { reason: "Ctrl-C" }).catch(() => undefined);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await withScope(async (scope) => {
      void scope.spawn(async () => {
        let last = "";
        for (;;) {
          const line = progressLine(await tasks.status(taskId));
          if (line !== "" && line !== last) note(line);
          last = line;
          await scope.sleep(LOOK_MS);
        }
      });
      // A system that gives up says why; the wait alone would only know that it was stopped.
      await Promise.race([tasks.wait(taskId), system.failed]);
      scope.cancel("the task has ended");
    });
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
  return call("task_result", { task_id: taskId, include_output: false });
}

function progressLine({ state, progress, attempt, attempts, notBeforeMs, blockedBy }: TaskStatus): string {
  if (state === "cancelling") return "cancelling";
  if (state === "queued" && notBeforeMs !== null)
    return `waiting until ${new Date(notBeforeMs).toISOString()}`;
  if (state === "queued") return blockedBy.length > 0 ? `waiting for ${blockedBy.join(", ")}` : "";
  if (state !== "running") return "";
  const which = attempts > 1 ? `attempt ${attempt} of ${attempts}, ` : "";
  return `running: ${which}${Math.round(progress * 100)} %`;
}
