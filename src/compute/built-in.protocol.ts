import { LIMITS } from "../errors/index.ts";
import type { Isolation } from "./thread-message.ts";

/** What is known of a built-in action before any thread has been started. */
export interface BuiltIn {
  readonly description: string;
  readonly isolation: Isolation;
  /** Processor time of one attempt, in milliseconds; absent = no bound. */
  readonly cpuMs?: number;
}

/**
 * The actions that are there without any module, by name. The queue accepts tasks for them while no thread has been
 * started yet, and while a module is broken; the threads add what they do.
 */
export const BUILT_IN = {
  echo: { description: "Returns its input.", isolation: "shared" },
  sleep: {
    description: "Waits for { ms } milliseconds and returns { slept_ms }. It can be cancelled.",
    isolation: "shared",
  },
  fail: {
    description:
      "Fails with { message }. With { times }, so many attempts fail and the next one returns { attempt }.",
    isolation: "shared",
  },
  // Files fill the memory of a thread, and so they have one alone.
  read_file: {
    description: "Reads the file { path } inside the allowed directories and returns { content }.",
    isolation: "thread",
  },
  write_file: {
    description: "Replaces the file { path } inside the allowed directories by { content }, in one step.",
    isolation: "thread",
  },
  parse: {
    description: "Makes { rows } of csv, tsv, json or ndjson, given as { text } or as the file { path }.",
    isolation: "thread",
    cpuMs: LIMITS.compute.parseCpuMs,
  },
  transform: {
    description: "Returns what the JSONata { expression } makes of { input }.",
    isolation: "thread",
    cpuMs: LIMITS.compute.transformCpuMs,
  },
  http_fetch: {
    description: "Fetches { url } from an allowed host and returns { status, headers, body }.",
    isolation: "shared",
  },
} as const satisfies Readonly<Record<string, BuiltIn>>;

/** Their names, in alphabetical order. */
export const BUILT_IN_ACTIONS: readonly string[] = Object.keys(BUILT_IN).toSorted();

/** Undefined when there is no such built-in action. */
export function builtIn(action: string): BuiltIn | undefined {
  const all: Readonly<Record<string, BuiltIn>> = BUILT_IN;
  return Object.hasOwn(all, action) ? all[action] : undefined;
}
