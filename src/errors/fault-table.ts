import { row, type Row } from "./fault-row.ts";
import { NETWORK_FAULTS } from "./network-faults.ts";

/**
 * The closed table of everything that can go wrong and is expected to. One row per code: what it means, whether
 * the same request may succeed if it is simply sent again, and the sentence a person reads.
 *
 * `docs/errors.md` is generated from this table. Callers match on `code`; the sentence may change.
 */

const seconds = (ms: number): string => `${ms / 1000} s`;

/** What a fault is about that tasks, steps and workflows have in common: one of them is named. */
const ownerOf = (d: { taskId?: string; step?: string; workflowId?: string }): string => {
  if (d.taskId !== undefined) return `task "${d.taskId}"`;
  return d.step === undefined ? `workflow "${d.workflowId}"` : `step "${d.step}"`;
};

/** By code: what it means, whether a retry may help, and its sentence. */
export const FAULTS = {
  // --- every room -----------------------------------------------------------------------------------------------
  INVALID_ARGUMENT: row<{ argument: string; got: string; allowed: string }>({
    retryable: false,
    means: "An argument has the wrong type, is out of range, or is unknown.",
    sentence: (d) => `${d.argument} is ${d.got}; allowed is ${d.allowed}`,
  }),
  CANCELLED: row<{ what: string; reason?: string }>({
    retryable: false,
    means:
      "The caller or an enclosing scope withdrew the work. Not a failure: never logged as one, never retried.",
    sentence: (d) => `${d.what} was cancelled${d.reason ? `: ${d.reason}` : ""}`,
  }),
  DEADLINE_EXCEEDED: row<{ what: string; timeoutMs: number }>({
    retryable: true,
    means: "The time given for an operation ran out before it ended.",
    sentence: (d) => `${d.what} did not end within ${seconds(d.timeoutMs)}`,
  }),
  CONFIRMATION_REQUIRED: row<{ what: string; how: string }>({
    retryable: false,
    means: "What was asked for cannot be taken back, and nobody has confirmed it. Nothing was done.",
    sentence: (d) => `${d.what} cannot be taken back: confirm it with ${d.how}`,
  }),
  UNAVAILABLE: row<{ what: string; why: string }>({
    retryable: true,
    means: "Something that is needed is switched off or not reachable now.",
    sentence: (d) => `${d.what} is unavailable: ${d.why}`,
  }),
  DEFECT: row<{ name: string; text: string }>({
    retryable: false,
    means: "An error without a code: a bug in this package, or an error thrown by a handler.",
    sentence: (d) => (d.name === "Error" ? d.text : `${d.name}: ${d.text}`),
  }),
  SEVERAL: row<{ count: number }>({
    retryable: false,
    means: "Several failures of one scope; `errors` holds them.",
    sentence: (d) => `${d.count} things failed together`,
  }),
  EXECUTOR_FULL: row<{ limit: number }>({
    retryable: true,
    means: "As many functions as an executor takes wait for a slot. Nothing of the call was started.",
    sentence: (d) => `the executor is full: at most ${d.limit} functions may wait for a slot`,
  }),

  // --- actors and messages ----------------------------------------------------------------------------------------
  MAILBOX_FULL: row<{ actor: string; limit: number; unit: "messages" | "bytes" | "calls in flight" }>({
    retryable: true,
    means: "The bounded mailbox of an actor has no room; nothing was sent.",
    sentence: (d) => `the mailbox of ${d.actor} is full: it holds ${d.limit} ${d.unit}`,
  }),
  MESSAGE_TOO_LARGE: row<{ actor: string; sizeBytes: number; limitBytes: number }>({
    retryable: false,
    means: "One message is larger than a link carries, in pieces or not; nothing was sent.",
    sentence: (d) =>
      `a message for ${d.actor} has at least ${d.sizeBytes} bytes; at most ${d.limitBytes} are allowed, larger values go by reference`,
  }),
  NOT_A_WIRE_VALUE: row<{ what: string; found: string }>({
    retryable: false,
    means: "A value that cannot cross a thread (a function, a symbol, a cycle) was put into a message.",
    sentence: (d) => `${d.what} holds ${d.found}, which cannot be sent to another thread`,
  }),
  ACTOR_RESTARTING: row<{ actor: string }>({
    retryable: true,
    means: "The actor died or is being restarted; a call in flight may or may not have been carried out.",
    sentence: (d) => `${d.actor} is being restarted; the call may be sent again`,
  }),
  ACTOR_STOPPED: row<{ actor: string }>({
    retryable: false,
    means: "The actor, or the whole system, has been stopped.",
    sentence: (d) => `${d.actor} has been stopped`,
  }),
  ACTOR_START_FAILED: row<{ actor: string; why: string }>({
    retryable: false,
    means: "The setup of an actor threw, or did not end in time.",
    sentence: (d) => `${d.actor} could not be started: ${d.why}`,
  }),
  PROTOCOL_MISMATCH: row<{ actor: string; ours: string; theirs: string }>({
    retryable: false,
    means: "The two sides of a link were built from different protocols or ring geometries.",
    sentence: (d) => `${d.actor} speaks ${d.theirs}, but ${d.ours} was expected`,
  }),
  RESTART_INTENSITY_EXCEEDED: row<{ child: string; restarts: number; periodMs: number; why: string }>({
    retryable: false,
    means: "A child crashed more often than its supervisor tolerates, so the supervisor stopped everything.",
    sentence: (d) =>
      `${d.child} crashed more than ${d.restarts} times within ${seconds(d.periodMs)}; the last time: ${d.why}`,
  }),
  EVENTS_LOST: row<{ actor: string; event: string; limit: number }>({
    retryable: true,
    means:
      "A subscriber read too slowly and its bounded buffer overflowed; subscribe again and read the state anew.",
    sentence: (d) => `events ${d.event} of ${d.actor} were lost: the subscriber's buffer holds ${d.limit}`,
  }),
  UNKNOWN_NAME: row<{ kind: string; name: string; known: readonly string[] }>({
    retryable: false,
    means: "A name (of an actor, a method, a command, a tool) does not exist.",
    sentence: (d) => `there is no ${d.kind} "${d.name}"; there are: ${d.known.join(", ")}`,
  }),
  ALREADY_EXISTS: row<{ kind: string; name: string; differs?: string }>({
    retryable: false,
    means: "A name that must be unique is taken.",
    sentence: (d) => `${d.kind} "${d.name}" exists already${d.differs ? `, with another ${d.differs}` : ""}`,
  }),

  // --- files and stores --------------------------------------------------------------------------------------------
  STORE_OWNED: row<{ path: string; owner?: string; wayOut?: string }>({
    retryable: true,
    means: "Another process or thread owns the store; a store has exactly one owner.",
    sentence: (d) =>
      `${d.path} is in use by ${d.owner ?? "another process"}${d.wayOut ? `: ${d.wayOut}` : ""}`,
  }),
  STORE_NEWER: row<{ path: string; version: number; supported: number }>({
    retryable: false,
    means: "The file was written by a newer version of this package.",
    sentence: (d) =>
      `${d.path} has format ${d.version}; this version reads up to ${d.supported}: use a newer mcplusplus`,
  }),
  STORE_CORRUPT: row<{ path: string; why: string }>({
    retryable: false,
    means: "The integrity check found damage, or the file is no database at all.",
    sentence: (d) => `${d.path} is damaged: ${d.why}`,
  }),
  STORE_FULL: row<{ path: string }>({
    retryable: true,
    means: "The disk or quota is full; the batch was undone and nothing of it acknowledged.",
    sentence: (d) => `${d.path} cannot grow: the disk is full; nothing of this batch was kept`,
  }),
  STORE_FAILED: row<{ path: string; why: string }>({
    retryable: true,
    means: "The store refused a batch for another reason (read-only file, I/O error); the batch was undone.",
    sentence: (d) => `${d.path} could not be written: ${d.why}; nothing of this batch was kept`,
  }),
  DIRECTORY_NOT_EMPTY: row<{ path: string; wayOut: string }>({
    retryable: false,
    means:
      "A directory that is to be made as a whole is there already and holds something; it was left alone.",
    sentence: (d) => `${d.path} is not empty: ${d.wayOut}`,
  }),
  BACKUP_INVALID: row<{ path: string; why: string }>({
    retryable: false,
    means: "A backup is damaged or incomplete, or the directory is none. Nothing was restored.",
    sentence: (d) => `${d.path} cannot be restored: ${d.why}`,
  }),
  EXPORT_INVALID: row<{ path: string; line: number; why: string }>({
    retryable: false,
    means:
      "A line of an export file is wrong, or cannot be taken by this data directory. Nothing was imported.",
    sentence: (d) => `line ${d.line} of ${d.path} cannot be imported: ${d.why}; nothing was imported`,
  }),
  BLOB_MISSING: row<{ sha256: string }>({
    retryable: false,
    means:
      "A large value is not in the data directory: it has left after the last task, run or cached result that named it, or never was there.",
    sentence: (d) => `the stored value ${d.sha256} is not there any more`,
  }),
  BLOB_CORRUPT: row<{ sha256: string }>({
    retryable: false,
    means: "The content of a stored value does not match its address.",
    sentence: (d) => `the stored value ${d.sha256} is damaged: its content has another hash`,
  }),
  VALUE_CORRUPT: row<{ why: string }>({
    retryable: false,
    means: "The bytes that are kept of a value are not those that were written: a row of a store is damaged.",
    sentence: (d) => `a stored value is damaged: ${d.why}`,
  }),
  FILE_UNREADABLE: row<{ path: string; why: string }>({
    retryable: false,
    means: "A file that was named does not exist, may not be read, or is broken.",
    sentence: (d) => `${d.path} cannot be read: ${d.why}`,
  }),
  FILE_UNWRITABLE: row<{ path: string; why: string }>({
    retryable: false,
    means: "A file cannot be written.",
    sentence: (d) => `${d.path} cannot be written: ${d.why}`,
  }),

  SIZE_EXCEEDED: row<{ what: string; limit: number; unit: "bytes" | "rows" }>({
    retryable: false,
    means:
      "A file, a text or an answer holds more than a built-in action takes, or than it was told to take.",
    sentence: (d) => `${d.what} has more than ${d.limit} ${d.unit}, and no more are allowed`,
  }),
  TEXT_INVALID: row<{ what: string; line: number; column: number; why: string }>({
    retryable: false,
    means:
      "A text is not in the format that it is said to be in. The column is a character of JSON, and a field of CSV and TSV.",
    sentence: (d) => `${d.what} cannot be parsed: line ${d.line}, column ${d.column}: ${d.why}`,
  }),
  EXPRESSION_INVALID: row<{ why: string }>({
    retryable: false,
    means: "A JSONata expression has a syntax error.",
    sentence: (d) => `the expression cannot be parsed: ${d.why}`,
  }),
  EXPRESSION_FAILED: row<{ why: string }>({
    retryable: false,
    means: "A JSONata expression failed on its input.",
    sentence: (d) => `the expression failed: ${d.why}`,
  }),

  // --- the network ------------------------------------------------------------------------------------------------
  ...NETWORK_FAULTS,

  // --- tasks and handlers ------------------------------------------------------------------------------------------
  TASK_NOT_FOUND: row<{ taskId: string }>({
    retryable: false,
    means: "No task has this id, or it was removed by retention.",
    sentence: (d) => `there is no task "${d.taskId}"`,
  }),
  TASK_NOT_FINISHED: row<{ taskId: string; state: string }>({
    retryable: true,
    means: "The result of a task was asked for before it ended.",
    sentence: (d) => `task "${d.taskId}" has no result yet: it is ${d.state}`,
  }),
  LEASE_LOST: row<{ taskId: string }>({
    retryable: false,
    means:
      "The fencing token of a completion is old: the task was given to another worker or ended meanwhile.",
    sentence: (d) => `the lease on task "${d.taskId}" was lost; this completion changes nothing`,
  }),
  TASK_ENDED: row<{ taskId: string; state: string; wanted: string }>({
    retryable: false,
    means: "The task has ended, or is about to, and what was asked for needs one that has not.",
    sentence: (d) => `task "${d.taskId}" is ${d.state}: it cannot be ${d.wanted}`,
  }),
  UNKNOWN_DEPENDENCY: row<{ taskId: string; dependency: string }>({
    retryable: false,
    means:
      "A task depends on one that is not known, or stands later in the same submit. Nothing was accepted.",
    sentence: (d) =>
      `task "${d.taskId}" depends on "${d.dependency}", which is not known: submit it first, or earlier in the same submit`,
  }),
  DEPENDENCY_FAILED: row<{
    taskId?: string;
    step?: string;
    workflowId?: string;
    dependency: string;
    state: string;
  }>({
    retryable: false,
    means:
      "What must complete first has failed, was cancelled or skipped, or is kept no longer (purged), so this task, step or workflow cannot run.",
    sentence: (d) => `${ownerOf(d)} cannot run: "${d.dependency}", on which it depends, is ${d.state}`,
  }),
  IDEMPOTENCY_CONFLICT: row<{ key: string; taskId?: string; workflowId?: string }>({
    retryable: false,
    means: "An idempotency key was used before, with other work.",
    sentence: (d) => `the idempotency key "${d.key}" belongs to ${ownerOf(d)}, whose work is another`,
  }),
  DEADLINE_UNREACHABLE: row<{ taskId: string; reason: string }>({
    retryable: true,
    means: "A task that was to be admitted only if it can end by its deadline cannot, at the present load.",
    sentence: (d) => `task "${d.taskId}" cannot end by its deadline: ${d.reason}`,
  }),
  QUOTA_EXCEEDED: row<{ scope: string; name: string; limit: number }>({
    retryable: true,
    means: "As many tasks of this action or tag are queued as its quota allows. Nothing was accepted.",
    sentence: (d) =>
      `the quota of the ${d.scope} "${d.name}" allows ${d.limit} queued tasks, and all are taken`,
  }),
  UNKNOWN_ACTION: row<{ action: string; known: readonly string[] }>({
    retryable: false,
    means: "No handler is registered under this name.",
    sentence: (d) => `there is no action "${d.action}"; there are: ${d.known.join(", ")}`,
  }),
  MODULE_INVALID: row<{ module: string; why: string }>({
    retryable: false,
    means: "A module of handlers, of tools, or of a page, cannot be loaded or exports nothing of that kind.",
    sentence: (d) => `the module ${d.module} cannot be used: ${d.why}`,
  }),
  INPUT_INVALID: row<{ what: string; problems: readonly string[] }>({
    retryable: false,
    means: "The input of a handler does not fit its schema.",
    sentence: (d) => `the input of ${d.what} does not fit: ${d.problems.join("; ")}`,
  }),
  OUTPUT_INVALID: row<{ what: string; problems: readonly string[] }>({
    retryable: false,
    means: "A handler returned something that does not fit its schema or cannot be stored.",
    sentence: (d) => `the output of ${d.what} does not fit: ${d.problems.join("; ")}`,
  }),
  HANDLER_FAILED: row<{ action: string; text: string }>({
    retryable: true,
    means: "A handler threw.",
    sentence: (d) => `${d.action} failed: ${d.text}`,
  }),
  HANDLER_TIMEOUT: row<{ action: string; timeoutMs: number }>({
    retryable: true,
    means: "A handler ran longer than its timeout and was stopped.",
    sentence: (d) => `${d.action} ran longer than ${seconds(d.timeoutMs)} and was stopped`,
  }),
  HANDLER_EXITED: row<{ action: string; exitCode: number }>({
    retryable: true,
    means: "A handler ended its own thread with process.exit or an uncaught error.",
    sentence: (d) => `${d.action} ended its thread with exit code ${d.exitCode}`,
  }),
  HANDLER_OUT_OF_MEMORY: row<{ action: string; limitMb: number }>({
    retryable: true,
    means: "A handler used more memory than its thread may have.",
    sentence: (d) => `${d.action} used more than ${d.limitMb} MB of memory and was stopped`,
  }),
  HANDLER_CPU_EXCEEDED: row<{ action: string; cpuMs: number }>({
    retryable: true,
    means: "A handler used more processor time than it allows itself.",
    sentence: (d) => `${d.action} used more than ${seconds(d.cpuMs)} of processor time and was stopped`,
  }),
  TASK_INTERRUPTED: row<{ taskId: string; interruptions: number; limit: number }>({
    retryable: true,
    means: "The process or thread under a task died too often while it ran, through no fault of the task.",
    sentence: (d) =>
      `task "${d.taskId}" was interrupted ${d.interruptions} times; at most ${d.limit} are tolerated`,
  }),

  // --- workflows ------------------------------------------------------------------------------------------------------
  WORKFLOW_NOT_FOUND: row<{ workflowId: string }>({
    retryable: false,
    means: "No workflow has this id, or it was removed by retention.",
    sentence: (d) => `there is no workflow "${d.workflowId}"`,
  }),
  WORKFLOW_INVALID: row<{ workflowId: string; problems: readonly string[] }>({
    retryable: false,
    means: "The definition of a workflow has problems; all of them are listed.",
    sentence: (d) => `workflow "${d.workflowId}" cannot run: ${d.problems.join("; ")}`,
  }),
  WORKFLOW_NOT_FINISHED: row<{ workflowId: string; state: string }>({
    retryable: true,
    means: "The result of a workflow was asked for before it ended.",
    sentence: (d) => `workflow "${d.workflowId}" has no result yet: it is ${d.state}`,
  }),
  WORKFLOW_FAILED: row<{ workflowId: string; step: string; text: string }>({
    retryable: false,
    means: "A step of the workflow failed, and its failure policy made the workflow fail.",
    sentence: (d) => `step "${d.step}" failed: ${d.text}`,
  }),
  ITEMS_FAILED: row<{ step: string; failed: number; total: number; items: readonly number[]; text: string }>({
    retryable: false,
    means: "Items of a step that fans out failed for good.",
    sentence: (d) =>
      `${d.failed} of the ${d.total} items of step "${d.step}" failed: ${d.items.join(", ")}${d.failed > d.items.length ? ", …" : ""}; the first: ${d.text}`,
  }),
  COMPENSATION_FAILED: row<{ workflowId: string; failed: number; steps: readonly string[]; text: string }>({
    retryable: false,
    means:
      "A workflow failed or was cancelled, and what was to undo its steps failed for some of them. The cause is why it did not complete.",
    sentence: (d) =>
      `workflow "${d.workflowId}" did not complete, and ${d.failed} of its steps could not be undone: ${d.steps.join(", ")}${d.failed > d.steps.length ? ", …" : ""}; the first: ${d.text}`,
  }),
  CONDITION_FALSE: row<{ step: string; of?: string }>({
    retryable: false,
    means: "The condition of a step, or of one that it depends on, is false. Not a failure.",
    sentence: (d) =>
      d.of === undefined
        ? `step "${d.step}" is skipped: its condition is false`
        : `step "${d.step}" is skipped: the condition of step "${d.of}", on which it depends, is false`,
  }),
  WORKFLOW_ENDED: row<{ workflowId: string; state: string; wanted: string }>({
    retryable: false,
    means: "The workflow has ended, or is being cancelled, and what was asked for needs one that has not.",
    sentence: (d) => `workflow "${d.workflowId}" is ${d.state}: it cannot be ${d.wanted}`,
  }),
  REFERENCE_MISSING: row<{ step: string; reference: string; why: string }>({
    retryable: false,
    means: "A step's inputs refer to an output that does not exist.",
    sentence: (d) => `the inputs of step "${d.step}" refer to ${d.reference}, which does not exist: ${d.why}`,
  }),
  TEMPLATE_INVALID: row<{ template: string; problems: readonly string[] }>({
    retryable: false,
    means: "A template file, or the parameters given for it, has problems; all of them are listed.",
    sentence: (d) => `template ${d.template} cannot be used: ${d.problems.join("; ")}`,
  }),
} as const;

/** What callers match on; no release gives a code another meaning. */
export type FaultCode = keyof typeof FAULTS;
/** What a fault of this code says beside its sentence. */
export type FaultDetails<C extends FaultCode> = (typeof FAULTS)[C] extends Row<infer D> ? D : never;
