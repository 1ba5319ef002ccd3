import type { AttemptName } from "../compute/index.ts";
import { LIMITS, assert, fault, fromWireError } from "../errors/index.ts";
import { checkInteger, checkNumber, checkText, invalidArgument } from "../schema/index.ts";
import type { Clock, Random } from "../scope/index.ts";
import { childTraceparent } from "../telemetry/index.ts";
import type { AttemptRequest, Handlers } from "./handlers.ts";
import type { AttemptEnding, AttemptSpec } from "./queue.protocol.ts";
import type { AttemptEnd } from "./task-ends.ts";

/** What stands before the ids of attempts, which no id of a task can begin with. */
const COMPUTE = "compute\0";
const ATTEMPT = "attempt\0";

export interface LoneAttemptsOptions {
  readonly handlers: Handlers;
  readonly clock: Clock;
  readonly random: Random;
  readonly graceMs: number;
}

/** Of the call that an attempt is made for. */
export interface AttemptCaller {
  /** Aborts when it gives up. */
  readonly signal: AbortSignal;
  readonly traceparent?: string | undefined;
}

/**
 * Attempts beside tasks: the core, which decides what runs next, knows nothing of them, and nothing of them is on disk.
 * They take the same threads as tasks, first come, first served.
 */
export class LoneAttempts {
  readonly #options: LoneAttemptsOptions;
  /** When each began, by the id that the pool knows it by. */
  readonly #running = new Map<string, number>();
  #tokens = 0;

  constructor(options: LoneAttemptsOptions) {
    this.#options = options;
  }

  /** How long the oldest has been running: what its handler stores is named by nobody until then. */
  get oldestMs(): number {
    const [beganMs] = this.#running.values();
    return beganMs === undefined ? 0 : this.#options.clock.now() - beganMs;
  }

  /** Once, on a thread alone. @see Queue */
  async compute(action: string, input: Uint8Array, caller: AttemptCaller): Promise<{ output: Uint8Array }> {
    const { signal } = caller;
    await this.#options.handlers.check([action], () => false);
    signal.throwIfAborted();
    const taskId = `${COMPUTE}${this.#tokens + 1}`;
    const request = { action, input, attempt: 1, timeoutMs: Infinity, place: "thread" } as const;
    const end = await this.#run({ ...request, taskId }, caller);
    if (end.kind === "completed") return { output: end.output };
    signal.throwIfAborted();
    assert("error" in end && end.error !== undefined, "only its caller withdraws it");
    throw fromWireError(end.error);
  }

  /** @see Queue */
  async attempt(spec: AttemptSpec, caller: AttemptCaller): Promise<AttemptEnding> {
    checkAttempt(spec);
    const { signal } = caller;
    const { handlers } = this.#options;
    const { attemptId, action, input, attempt, timeoutMs } = spec;
    const taskId = `${ATTEMPT}${attemptId}`;
    if (handlers.placeOf(action) === undefined) await handlers.check([action], () => false);
    signal.throwIfAborted();
    if (this.#running.has(taskId)) throw fault("ALREADY_EXISTS", { kind: "attempt", name: attemptId });
    const place = handlers.placeOf(action) ?? "elsewhere";
    return endingOf(await this.#run({ taskId, action, input, attempt, timeoutMs, place }, caller), action);
  }

  stop(attemptId: string): boolean {
    const taskId = `${ATTEMPT}${attemptId}`;
    const { handlers, graceMs } = this.#options;
    if (!this.#running.has(taskId)) return false;
    handlers.cancel(taskId, graceMs);
    return true;
  }

  /** The id that an attempt was given, if it is one that reports how far it is. */
  attemptIdOf({ taskId }: AttemptName): string | undefined {
    return taskId.startsWith(ATTEMPT) && this.#running.has(taskId) ? taskId.slice(ATTEMPT.length) : undefined;
  }

  async #run(request: Omit<AttemptRequest, "token">, caller: AttemptCaller): Promise<AttemptEnd> {
    const { handlers, clock, random, graceMs } = this.#options;
    const { signal, traceparent: given } = caller;
    const traceparent = given === undefined ? undefined : childTraceparent(given, random);
    const { taskId } = request;
    const onAbort = (): void => handlers.cancel(taskId, graceMs);
    signal.addEventListener("abort", onAbort, { once: true });
    this.#running.set(taskId, clock.now());
    this.#tokens += 1;
    try {
      const token = this.#tokens;
      return await handlers.run({ ...request, token, ...(traceparent !== undefined && { traceparent }) });
    } finally {
      this.#running.delete(taskId);
      signal.removeEventListener("abort", onAbort);
    }
  }
}

function endingOf(end: AttemptEnd, action: string): AttemptEnding {
  if (end.kind !== "interrupted" && end.kind !== "returned") return end;
  assert(end.kind === "interrupted" && end.error, `whoever cut off an attempt at ${action} says why`);
  return { kind: "interrupted", error: end.error };
}

function checkAttempt({ attemptId, action, input, attempt, timeoutMs }: AttemptSpec): void {
  checkText("attemptId", attemptId);
  checkText("action", action);
  if (!(input instanceof Uint8Array)) {
    throw invalidArgument("input", typeof input, "bytes made by packValue");
  }
  checkInteger("attempt", attempt, 1);
  if (timeoutMs !== null) checkNumber("timeoutMs", timeoutMs, 1, LIMITS.queue.timeoutMs);
}
