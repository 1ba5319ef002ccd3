import { AsyncLocalStorage } from "node:async_hooks";
import { Reference, packValue, unpackValue } from "../codec/index.ts";
import { LIMITS, fault, isCancellation, isFault, toWireError, type WireError } from "../errors/index.ts";
import { findNonWire, validate, type StandardSchema } from "../schema/index.ts";
import { createRegistry } from "./registry.ts";
import { replaceReferences, resolveReferences } from "./references.ts";
import { openContext, type ContextServices, type TaskContext } from "./task-context.ts";
import { TaskLog } from "./task-log.ts";
import { causeOf, textOfThrown } from "./thrown.ts";
import type { Handler } from "./define-tasks.ts";
import type { AttemptRequest, DescribeRequest, Progress, ThreadReply } from "./thread-message.ts";

export interface RunnerServices extends ContextServices {
  readonly threadId: number;
  /** URLs of files. */
  readonly modules: readonly string[];
}

/** What one thread does with what the pool gives it. Never rejects; what it replies can be sent as it is. */
export interface Runner {
  run(request: AttemptRequest | DescribeRequest): Promise<ThreadReply>;
  /** The log of whichever attempt the calling code belongs to, also when that one has ended. */
  log(): TaskLog;
  /** To be called when the thread is about to end: notes whether an attempt that is over brought that about. */
  noteEnd(): void;
}

/** What code that runs on this thread belongs to: an attempt, or the modules, which outlive attempts. */
interface Origin {
  readonly slot: number | null;
  readonly log: TaskLog;
}

export function createRunner(services: RunnerServices): Runner {
  const { slots, clock, modules, threadId, post } = services;
  const registry = createRegistry(modules);
  const origins = new AsyncLocalStorage<Origin>();
  const modulesOrigin: Origin = { slot: null, log: new TaskLog(null, post) };
  let current: Origin | null = null;

  const describe = async ({ slot, token }: DescribeRequest): Promise<ThreadReply> => {
    try {
      const handlers = await origins.run(modulesOrigin, () =>
        registry.describe((index) => slots.loadModule(slot, index)),
      );
      return slots.end(slot, token) ? { kind: "described", handlers } : STOPPED;
    } catch (error) {
      return slots.end(slot, token) ? failed(toWireError(error), null) : STOPPED;
    }
  };

  const attempt = async (request: AttemptRequest, log: TaskLog): Promise<ThreadReply> => {
    const { slot, token, action } = request;
    const { context, end } = openContext(request, log, services);
    try {
      const handler = await origins.run(modulesOrigin, () =>
        registry.find(action, (index) => slots.loadModule(slot, index)),
      );
      if (!slots.begin(slot, token, clock.now())) return STOPPED;
      const output = await outputOf(handler, request, context, services);
      return slots.end(slot, token) ? { kind: "completed", output, progress: end() } : STOPPED;
    } catch (error) {
      if (!slots.end(slot, token)) return STOPPED;
      return failed(failureOf(error, action, log), end());
    } finally {
      end();
      log.end();
    }
  };

  const attemptOnItsOwn = async (request: AttemptRequest): Promise<ThreadReply> => {
    const log = new TaskLog(request.taskId, post);
    current = { slot: request.slot, log };
    const reply = await origins.run(current, () => attempt(request, log));
    current = null;
    return reply;
  };

  return {
    async run(request) {
      const { slot, token } = request;
      if (!slots.enter(slot, token, threadId, clock.now())) return STOPPED;
      const reply = await (request.kind === "describe" ? describe(request) : attemptOnItsOwn(request));
      if (reply.kind === "stopped") slots.leave(slot, token);
      return reply;
    },
    log: () => (origins.getStore() ?? current ?? modulesOrigin).log,
    noteEnd() {
      const culprit = origins.getStore();
      const slot = current?.slot ?? null;
      if (slot !== null && culprit !== undefined && culprit !== current) slots.blameLeftover(slot);
    },
  };
}

const STOPPED: ThreadReply = { kind: "stopped" };

async function outputOf(
  handler: Handler,
  { taskId, action, input: bytes }: AttemptRequest,
  context: TaskContext,
  { blobs }: RunnerServices,
): Promise<Uint8Array> {
  const given = await resolveReferences(unpackValue(bytes), blobs, taskId);
  const input = await checked(handler.input, given, "INPUT_INVALID", action);
  const returned = await handler.run(input, context);
  const output = await checked(handler.output, returned ?? null, "OUTPUT_INVALID", action);

  const unsendable = findNonWire(replaceReferences(output, () => null));
  if (unsendable !== undefined) {
    throw fault("OUTPUT_INVALID", { what: action, problems: [`it holds ${unsendable}`] });
  }
  const packed = packValue(output);
  // A larger output is stored by its content, and its reference takes its place.
  if (packed.byteLength <= LIMITS.compute.inlineBytes || blobs === null) return packed;
  const { sha256, sizeBytes } = await blobs.put(packed);
  return packValue(new Reference(sha256, sizeBytes));
}

async function checked(
  schema: StandardSchema | null,
  value: unknown,
  code: "INPUT_INVALID" | "OUTPUT_INVALID",
  what: string,
): Promise<unknown> {
  if (schema === null) return value;
  const result = await validate(schema, value, code === "INPUT_INVALID" ? "input" : "output");
  if (result.problems === undefined) return result.value;
  throw fault(code, { what, problems: result.problems });
}

const failed = (error: WireError, progress: Progress | null): ThreadReply => ({
  kind: "failed",
  error,
  progress,
});

/**
 * A fault keeps its code. A cancellation that nobody asked for (a handler's own `AbortSignal.timeout`) is a failure
 * like any other throw: it must not pass for the caller's.
 */
function failureOf(error: unknown, action: string, log: TaskLog): WireError {
  if (isFault(error) && !isCancellation(error)) return toWireError(error);
  // No stack leaves the thread but in the task's log: that is where its author looks.
  if (error instanceof Error && error.stack !== undefined) log.write("error", error.stack);
  return toWireError(fault("HANDLER_FAILED", { action, text: textOfThrown(error) }, causeOf(error)));
}
