import { call, cast, protocol } from "mcplusplus";
import type { TaskMessage } from "./task-message.ts";

export const Sink = protocol("sink", {
  put: cast<TaskMessage>(),
  /** How many were put since the last count. */
  count: call<void, number>(),
  echo: call<TaskMessage, TaskMessage>(),
});
