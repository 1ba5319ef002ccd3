import { isFault } from "../errors/index.ts";

/** How a thread ended under an attempt, read from what `Threads.run` rejects with. */
export type Crash =
  | { readonly kind: "memory" }
  | { readonly kind: "cpu"; readonly cpuMs: number }
  | { readonly kind: "exit"; readonly exitCode: number }
  | { readonly kind: "thrown"; readonly error: unknown };

/** Piscina tells an exit by its sentence alone; everything else is the error that ended the thread. */
const EXITED = /^worker exited with code: (-?\d+)$/;

/** By our own look at the thread, or by V8's limit on it. */
const OUT_OF_MEMORY: readonly unknown[] = ["HANDLER_OUT_OF_MEMORY", "ERR_WORKER_OUT_OF_MEMORY"];

export function crashOf(error: unknown): Crash {
  if (!(error instanceof Error)) return { kind: "thrown", error };
  if ("code" in error && OUT_OF_MEMORY.includes(error.code)) return { kind: "memory" };
  if (isFault(error, "HANDLER_CPU_EXCEEDED")) return { kind: "cpu", cpuMs: error.details.cpuMs };
  const exitCode = EXITED.exec(error.message)?.[1];
  return exitCode === undefined ? { kind: "thrown", error } : { kind: "exit", exitCode: Number(exitCode) };
}
