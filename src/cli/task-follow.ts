import { withScope } from "../scope/index.ts";
import type { TaskDoor } from "../system/index.ts";
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
          const { what, line } = await lookAt(taskId, tasks);
          if (line !== "" && what !== last) note(line);
          last = what;
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

interface Look {
  /** Told once for as long as it is the same: the number of tasks ahead changes all the time. */
  readonly what: string;
  /** Empty = nothing to tell. */
  readonly line: string;
}

async function lookAt(taskId: string, tasks: TaskDoor): Promise<Look> {
  const { state, progress, attempt, attempts } = await tasks.status(taskId);
  if (state === "cancelling") return { what: state, line: state };
  if (state === "queued") {
    const { blockers, sentences } = await tasks.explain(taskId);
    const [blocker] = blockers;
    // It may have begun, or ended, since.
    if (!blocker || blocker.cause === "running" || blocker.cause === "ended") return { what: "", line: "" };
    return { what: blocker.cause, line: `waiting: ${sentences[0]}` };
  }
  if (state !== "running") return { what: state, line: "" };
  const which = attempts > 1 ? `attempt ${attempt} of ${attempts}, ` : "";
  const line = `running: ${which}${Math.round(progress * 100)} %`;
  return { what: line, line };
}
