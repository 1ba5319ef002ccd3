import { FAULTS, fault, type Fault, type FaultCode, type FaultDetails } from "../../src/errors/index.ts";

export const CODES = Object.keys(FAULTS) as FaultCode[];

/** One set of details for each code; the compiler sees to it that none is missing. */
export const SAMPLES: { readonly [C in FaultCode]: FaultDetails<C> } = {
  INVALID_ARGUMENT: { argument: "priority", got: "eleven", allowed: "0 to 10" },
  CANCELLED: { what: "the export", reason: "the user left" },
  DEADLINE_EXCEEDED: { what: "queue.claim", timeoutMs: 2_500 },
  UNAVAILABLE: { what: "the network", why: "peers are disabled" },
  DEFECT: { name: "TypeError", text: "x is not a function" },
  SEVERAL: { count: 17 },
  MAILBOX_FULL: { actor: "queue", limit: 1_024, unit: "messages" },
  MESSAGE_TOO_LARGE: { actor: "queue", sizeBytes: 777, limitBytes: 555 },
  NOT_A_WIRE_VALUE: { what: "a message for queue", found: "a function at rows[3].done" },
  ACTOR_RESTARTING: { actor: "queue" },
  ACTOR_STOPPED: { actor: "queue" },
  ACTOR_START_FAILED: { actor: "queue", why: "its store is damaged" },
  PROTOCOL_MISMATCH: { actor: "queue", ours: "queue@1", theirs: "queue@2" },
  RESTART_INTENSITY_EXCEEDED: { child: "cache", restarts: 5, periodMs: 10_500, why: "out of memory" },
  EVENTS_LOST: { actor: "queue", event: "finished", limit: 99 },
  UNKNOWN_NAME: { kind: "tool", name: "task_sumbit", known: ["task_submit", "task_cancel"] },
  ALREADY_EXISTS: { kind: "actor", name: "queue" },
  STORE_OWNED: { path: "/data/queue.db", owner: "process 4711" },
  STORE_NEWER: { path: "/data/queue.db", version: 9, supported: 3 },
  STORE_CORRUPT: { path: "/data/queue.db", why: "page 7 is torn" },
  STORE_FULL: { path: "/data/queue.db" },
  STORE_FAILED: { path: "/data/queue.db", why: "an I/O error" },
  BLOB_MISSING: { sha256: "ab".repeat(32) },
  BLOB_CORRUPT: { sha256: "cd".repeat(32) },
  FILE_UNREADABLE: { path: "/in/rows.csv", why: "it does not exist" },
  FILE_UNWRITABLE: { path: "/out/rows.csv", why: "permission denied" },
  TASK_NOT_FOUND: { taskId: "t-1" },
  TASK_NOT_FINISHED: { taskId: "t-1", state: "queued" },
  LEASE_LOST: { taskId: "t-1" },
  UNKNOWN_ACTION: { action: "prase", known: ["parse", "echo"] },
  MODULE_INVALID: { module: "./tasks.ts", why: "it exports no handlers" },
  INPUT_INVALID: { what: "task t-1", problems: ["ms is missing", "x is unknown"] },
  OUTPUT_INVALID: { what: "task t-1", problems: ["rows is a function"] },
  HANDLER_FAILED: { action: "parse", text: "a quote is not closed" },
  HANDLER_TIMEOUT: { action: "parse", timeoutMs: 1_500 },
  HANDLER_EXITED: { action: "parse", exitCode: 3 },
  HANDLER_OUT_OF_MEMORY: { action: "parse", limitMb: 64 },
  TASK_INTERRUPTED: { taskId: "t-1", interruptions: 6, limit: 5 },
  WORKFLOW_NOT_FOUND: { workflowId: "w-1" },
  WORKFLOW_INVALID: { workflowId: "w-1", problems: ["a -> b -> a is a cycle", "c is unknown"] },
  WORKFLOW_NOT_FINISHED: { workflowId: "w-1", state: "running" },
  WORKFLOW_FAILED: { workflowId: "w-1", step: "fetch", text: "no route to host" },
  REFERENCE_MISSING: { step: "load", reference: "steps.fetch.output.rows", why: "fetch has no rows" },
  TEMPLATE_INVALID: { template: "etl", problems: ["limit is missing"] },
};

export function sampleOf(code: FaultCode): Fault {
  // Code and details are of one row; the compiler cannot follow that through an indexed union.
  return fault(code, SAMPLES[code] as never);
}
