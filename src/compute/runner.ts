import { AsyncLocalStorage } from "node:async_hooks";
import type { ActionServices } from "./actions/action.ts";
import { unpackValue } from "../codec/index.ts";
import { fault, isCancellation, isFault, sentenceOf, toWireError, type WireError } from "../errors/index.ts";
import { validate, type StandardSchema } from "../schema/index.ts";
import { createRegistry, type Registry } from "./registry.ts";
import { holdsReference, resolveReferences } from "./references.ts";
import { SharedState, type Culprit } from "./shared-state.ts";
import { SharedThread, type SharedPort } from "./shared-thread.ts";
import { storedOutput } from "./stored-output.ts";
import { openContext, type ContextServices } from "./task-context.ts";
import { TaskLog } from "./task-log.ts";
import { causeOf, stackOf, textOfThrown } from "./thrown.ts";
import type { Handler } from "./define-tasks.ts";
import {
  plainTaskId,
  type AttemptRequest,
  type DescribeRequest,
  type Progress,
  type ShareRequest,
  type ThreadMessage,
  type ThreadReply,
} from "./thread-message.ts";

export interface RunnerServices extends ContextServices, ActionServices {
  readonly threadId: number;
  /** URLs of files. */
  readonly modules: readonly string[];
}

/** What one thread does with what the pool gives it. Never rejects; what it replies can be sent as it is. */
export interface Runner {
  run(request: AttemptRequest | DescribeRequest): Promise<ThreadReply>;
  /** Serves attempts that share the thread until the pool closes the port. */
  share(request: ShareRequest, port: SharedPort): Promise<ThreadReply>;
  /** The log of whichever attempt the calling code belongs to, also when that one has ended. */
  log(): TaskLog;
  /** To be called when the thread is about to end: notes which attempt, if one, brought that about. */
  noteEnd(): void;
}

/** What code that runs on this thread belongs to: an attempt, or the modules, which outlive attempts. */
interface Origin {
  readonly slot: number | null;
  readonly log: TaskLog;
  over: boolean;
}

/** A thread while it is shared. */
interface Sharing {
  readonly state: SharedState;
  readonly thread: SharedThread;
  readonly port: SharedPort;
}

export function createRunner(services: RunnerServices): Runner {
  return new HandlerRunner(services);
}

class HandlerRunner implements Runner {
  readonly #services: RunnerServices;
  readonly #registry: Registry;
  readonly #origins = new AsyncLocalStorage<Origin>();
  readonly #modules: Origin;
  /** The attempt that has the thread alone. */
  #current: Origin | null = null;
  #sharing: Sharing | null = null;

  constructor(services: RunnerServices) {
    // Through the port of a shared thread, what an attempt says arrives before what came of it.
    const post = (message: ThreadMessage): void =>
      this.#sharing === null ? services.post(message) : this.#sharing.port.postMessage(message);
    this.#services = { ...services, post };
    this.#registry = createRegistry(services.modules, services);
    this.#modules = { slot: null, log: new TaskLog(null, post), over: false };
  }

  async run(request: AttemptRequest | DescribeRequest): Promise<ThreadReply> {
    const { slots } = this.#services;
    const { slot, token } = request;
    if (!this.#enter(request)) return STOPPED;
    const reply = await (request.kind === "describe" ? this.#describe(request) : this.#attemptAlone(request));
    if (reply.kind === "stopped") slots.leave(slot, token);
    return reply;
  }

  async share(request: ShareRequest, port: SharedPort): Promise<ThreadReply> {
    const { slots, clock } = this.#services;
    const { slot, token } = request;
    if (!this.#enter(request)) return STOPPED;
    const state = new SharedState(request.state);
    const attempt = (one: AttemptRequest): Promise<ThreadReply> | null =>
      this.#enter(one) ? this.#attemptOf(one, this.#originOf(one)) : null;
    const thread = new SharedThread({ slots, clock, state, port, attempt });
    this.#sharing = { state, thread, port };
    slots.begin(slot, token, clock.now());
    await thread.closed;
    this.#sharing = null;
    slots.end(slot, token);
    return { kind: "closed" };
  }

  log(): TaskLog {
    return (this.#origins.getStore() ?? this.#current ?? this.#modules).log;
  }

  noteEnd(): void {
    const origin = this.#origins.getStore();
    if (this.#sharing !== null) {
      this.#sharing.state.blame(culpritOf(origin));
      this.#sharing.thread.report();
      return;
    }
    const slot = this.#current?.slot ?? null;
    if (slot !== null && origin !== undefined && origin !== this.#current) {
      this.#services.slots.blameLeftover(slot);
    }
  }

  #enter({ slot, token }: { readonly slot: number; readonly token: number }): boolean {
    const { slots, threadId, clock } = this.#services;
    return slots.enter(slot, token, threadId, clock.now());
  }

  async #describe({ slot, token }: DescribeRequest): Promise<ThreadReply> {
    const { slots } = this.#services;
    try {
      const handlers = await this.#origins.run(this.#modules, () =>
        this.#registry.describe((index) => slots.loadModule(slot, index)),
      );
      return slots.end(slot, token) ? { kind: "described", handlers } : STOPPED;
    } catch (error) {
      return slots.end(slot, token) ? failed(toWireError(error), null) : STOPPED;
    }
  }

  async #attemptAlone(request: AttemptRequest): Promise<ThreadReply> {
    this.#current = this.#originOf(request);
    const reply = await this.#attemptOf(request, this.#current);
    this.#current = null;
    return reply;
  }

  #originOf({ slot, taskId, token, attempt, traceparent }: AttemptRequest): Origin {
    const name = { taskId, token, attempt };
    const by = traceparent === undefined ? name : { ...name, traceparent };
    return { slot, log: new TaskLog(by, this.#services.post), over: false };
  }

  async #attemptOf(request: AttemptRequest, origin: Origin): Promise<ThreadReply> {
    const reply = await this.#origins.run(origin, () => this.#attempt(request, origin));
    origin.over = true;
    return reply;
  }

  async #attempt(request: AttemptRequest, { log }: Origin): Promise<ThreadReply> {
    const { slots, clock } = this.#services;
    const { slot, token, action } = request;
    const { context, end } = openContext(request, log, this.#services);
    try {
      const handler = this.#registry.known(action) ?? (await this.#load(request));
      if (handler.cpuMs !== null) slots.boundCpu(slot, handler.cpuMs);
      if (!slots.begin(slot, token, clock.now())) return STOPPED;
      const given = inputOf(handler, request, this.#services);
      const input = given instanceof Promise ? ((await given) as unknown) : given;
      const returned = await this.#inTurn(slot, () => handler.run(input, context));
      const output = await outputOf(handler, returned, request, this.#services);
      return slots.end(slot, token) ? { kind: "completed", output, progress: end() } : STOPPED;
    } catch (error) {
      if (!slots.end(slot, token)) return STOPPED;
      return failed(failureOf(error, action, log), end());
    } finally {
      end();
      log.end();
    }
  }

  #load({ action, slot }: AttemptRequest): Promise<Handler> {
    const { slots } = this.#services;
    return this.#origins.run(this.#modules, () =>
      this.#registry.find(action, (index) => slots.loadModule(slot, index)),
    );
  }

  /** Calls an attempt's own code, so that the pool sees whose it is as long as it does not return. */
  #inTurn<T>(slot: number, call: () => T): T {
    if (this.#sharing === null) return call();
    const { state } = this.#sharing;
    const before = state.enter(slot, this.#services.clock.now());
    try {
      return call();
    } finally {
      state.leave(before);
    }
  }
}

function culpritOf(origin: Origin | undefined): Culprit {
  if (origin === undefined) return "unknown";
  if (origin.slot === null) return "modules";
  return origin.over ? "leftover" : origin.slot;
}

const STOPPED: ThreadReply = { kind: "stopped" };

/** A promise only where something has to be waited for: most handlers are called in the turn they are taken up in. */
function inputOf(handler: Handler, request: AttemptRequest, services: RunnerServices): unknown {
  const given = inputFrom(request);
  const isReady = handler.input === null && !holdsReference(given);
  return isReady ? given : preparedInputOf(handler, given, request, services);
}

/** @throws INPUT_INVALID for bytes that were damaged, or never made by `packValue` */
function inputFrom({ input, action }: AttemptRequest): unknown {
  try {
    return unpackValue(input);
  } catch (error) {
    throw fault("INPUT_INVALID", { what: action, problems: [sentenceOf(error)] }, { cause: error });
  }
}

async function preparedInputOf(
  { input: schema }: Handler,
  given: unknown,
  { taskId, action }: AttemptRequest,
  { blobs }: RunnerServices,
): Promise<unknown> {
  const whole = holdsReference(given) ? await resolveReferences(given, blobs, plainTaskId(taskId)) : given;
  return schema === null ? whole : checked(schema, whole, "INPUT_INVALID", action);
}

async function outputOf(
  { output: schema }: Handler,
  returned: unknown,
  { action }: AttemptRequest,
  { blobs }: RunnerServices,
): Promise<Uint8Array> {
  const given = returned ?? null;
  const output = schema === null ? given : await checked(schema, given, "OUTPUT_INVALID", action);
  return storedOutput(output, action, blobs);
}

async function checked(
  schema: StandardSchema,
  value: unknown,
  code: "INPUT_INVALID" | "OUTPUT_INVALID",
  what: string,
): Promise<unknown> {
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
  const stack = stackOf(error);
  if (stack !== "") log.write("error", stack);
  return toWireError(fault("HANDLER_FAILED", { action, text: textOfThrown(error) }, causeOf(error)));
}
