import { fault, toWireError, wireFault, type Fault, type WireError } from "../errors/index.ts";
import type { AssignmentEnd } from "./assignment.ts";
import type { Crash } from "./crash.ts";
import { plainTaskId, type HandlerInfo } from "./thread-message.ts";
import { causeOf, textOfThrown } from "./thrown.ts";

/**
 * How one attempt ended.
 *
 * `cancelled` means that the caller withdrew it before it ended; what it did until then is done, and what it still
 * returned is void. `interrupted` means that it was cut off through no fault of its own and may be run again.
 */
export type RunOutcome =
  | { readonly kind: "completed"; readonly output: Uint8Array }
  | { readonly kind: "failed"; readonly error: WireError }
  | { readonly kind: "cancelled"; readonly error: WireError }
  | { readonly kind: "interrupted"; readonly why: string };

/** What the outcomes of a run are worded with. */
export interface RunTerms {
  readonly taskId: string;
  readonly action: string;
  readonly timeoutMs: number;
}

export interface PoolTerms {
  readonly modules: readonly string[];
  readonly heapMb: number;
  readonly startMs: number;
  readonly loadMs: number;
}

type Stopped = Extract<AssignmentEnd, { kind: "stopped" }>;
type Crashed = Extract<AssignmentEnd, { kind: "crashed" }>;

/** @param loadingModule index of the module that was imported last; -1 for none */
export function outcomeOf(
  end: AssignmentEnd,
  run: RunTerms,
  pool: PoolTerms,
  loadingModule: number,
): RunOutcome {
  if (end.kind === "interrupted") return interrupted(end.why);
  if (end.kind === "stopped") return outcomeOfStop(end, run, pool, loadingModule);
  if (end.kind === "crashed") return outcomeOfCrash(end, run, pool, loadingModule);
  const { reply } = end;
  if (reply.kind === "completed") return { kind: "completed", output: reply.output };
  if (reply.kind === "failed") return { kind: "failed", error: reply.error };
  return interrupted("its thread gave it back");
}

/** The handlers, or why there are none. */
export function handlersOf(
  end: AssignmentEnd,
  pool: PoolTerms,
  loadingModule: number,
): { readonly handlers: readonly HandlerInfo[] } | { readonly error: WireError } {
  if (end.kind === "replied" && end.reply.kind === "described") return { handlers: end.reply.handlers };
  const outcome = outcomeOf(end, { taskId: "", action: "describe", timeoutMs: 0 }, pool, loadingModule);
  if (outcome.kind === "failed") return { error: outcome.error };
  const why = outcome.kind === "interrupted" ? outcome.why : "it was stopped";
  return { error: wireFault("UNAVAILABLE", { what: "the list of handlers", why }) };
}

function outcomeOfStop(
  { cause, terminated }: Stopped,
  run: RunTerms,
  pool: PoolTerms,
  loadingModule: number,
): RunOutcome {
  if (cause === "cancelled") return { kind: "cancelled", error: toWireError(cancelled(run, terminated)) };
  if (cause === "timedOut") {
    return failed(fault("HANDLER_TIMEOUT", { action: run.action, timeoutMs: run.timeoutMs }));
  }
  if (cause === "loading") {
    return failed(
      moduleInvalid(pool, loadingModule, `its import did not end within ${pool.loadMs / 1000} s`),
    );
  }
  return interrupted(
    cause === "starting" ? `no thread took it up within ${pool.startMs / 1000} s` : "the pool was closed",
  );
}

function outcomeOfCrash(
  { crash, phase, leftover, terminated }: Crashed,
  run: RunTerms,
  pool: PoolTerms,
  loadingModule: number,
): RunOutcome {
  const how = textOfCrash(crash, pool);
  if (terminated) return interrupted("its thread was being terminated because of the attempt before it");
  if (phase === "loading" && loadingModule >= 0) {
    return failed(moduleInvalid(pool, loadingModule, `importing it ended the thread: ${how}`));
  }
  if (phase !== "running") return interrupted(`its thread ended beside it: ${how}`);
  if (leftover) return interrupted(`something an earlier handler left running ended the thread: ${how}`);

  const { action } = run;
  if (crash.kind === "memory") {
    return failed(fault("HANDLER_OUT_OF_MEMORY", { action, limitMb: pool.heapMb }));
  }
  if (crash.kind === "cpu") return failed(fault("HANDLER_CPU_EXCEEDED", { action, cpuMs: crash.cpuMs }));
  if (crash.kind === "exit") return failed(fault("HANDLER_EXITED", { action, exitCode: crash.exitCode }));
  const text = `${how} (thrown where nothing waits for it, which ended the thread)`;
  return failed(fault("HANDLER_FAILED", { action, text }, causeOf(crash.error)));
}

export function textOfCrash(crash: Crash, pool: Pick<PoolTerms, "heapMb">): string {
  if (crash.kind === "memory") return `more than ${pool.heapMb} MB of memory were used`;
  if (crash.kind === "cpu") return `more than ${crash.cpuMs / 1_000} s of processor time were used`;
  return crash.kind === "exit" ? `exit code ${crash.exitCode}` : textOfThrown(crash.error);
}

function cancelled({ taskId }: RunTerms, terminated: boolean): Fault {
  const what = `task "${plainTaskId(taskId)}"`;
  return terminated
    ? fault("CANCELLED", { what, reason: "it did not stop within the grace, so its thread was terminated" })
    : fault("CANCELLED", { what });
}

function moduleInvalid({ modules }: PoolTerms, index: number, why: string): Fault {
  return fault("MODULE_INVALID", { module: modules[index] ?? "built-in", why });
}

const failed = (error: Fault): RunOutcome => ({ kind: "failed", error: toWireError(error) });
export const interrupted = (why: string): RunOutcome => ({ kind: "interrupted", why });
