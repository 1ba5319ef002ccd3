import type { Random } from "../scope/index.ts";
import { childTraceparent } from "../telemetry/index.ts";
import type { Task } from "./task.ts";

const NONE = {};

/** What one attempt is told of its trace: that of the task, with a span of its own; nothing when the task is part of none. */
export function attemptSpan(
  { traceparent }: Pick<Task, "traceparent">,
  random: Random,
): { readonly traceparent?: string } {
  if (traceparent === null) return NONE;
  const span = childTraceparent(traceparent, random);
  return span === undefined ? NONE : { traceparent: span };
}
