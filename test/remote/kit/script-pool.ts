import type {
  ComputePool,
  HandlerInfo,
  PoolOptions,
  RunOutcome,
  RunRequest,
} from "../../../src/compute/index.ts";
import { packValue, unpackValue } from "../../../src/codec/index.ts";
import { fault, isFault, toWireError } from "../../../src/errors/index.ts";

/** What a scripted handler is told. */
export interface Run {
  readonly taskId: string;
  readonly attempt: number;
  readonly timeoutMs: number;
  readonly traceparent: string | undefined;
  readonly signal: AbortSignal;
  progress(fraction: number, message?: string): void;
}

/** What it returns is its output; a fault is its failure. */
export type Script = (input: unknown, run: Run) => unknown;

/** A pool without threads: handlers are functions of the test, and end when these do. */
export class ScriptPool implements ComputePool {
  readonly capacity = { threads: 1_000, shared: 1_000 };
  readonly #options: PoolOptions;
  readonly #scripts: Readonly<Record<string, Script>>;
  readonly #runs = new Map<string, AbortController>();

  constructor(options: PoolOptions, scripts: Readonly<Record<string, Script>>) {
    this.#options = options;
    this.#scripts = scripts;
  }

  get running(): number {
    return this.#runs.size;
  }

  describe(): Promise<readonly HandlerInfo[]> {
    return Promise.resolve(
      Object.keys(this.#scripts).map((name) => ({
        ...{ name, description: "", module: "file:///script", timeoutMs: null, moduleSha256: null },
        isolation: "shared" as const,
      })),
    );
  }

  async run({
    taskId,
    token,
    attempt,
    action,
    input,
    timeoutMs,
    traceparent,
  }: RunRequest): Promise<RunOutcome> {
    if (this.#runs.has(taskId)) throw new Error(`${taskId} runs twice at once`);
    const controller = new AbortController();
    const { signal } = controller;
    this.#runs.set(taskId, controller);
    const progress = (fraction: number, message = ""): void =>
      this.#options.onProgress({ taskId, token, attempt }, fraction, message);
    try {
      const script = this.#scripts[action] ?? ((value: unknown) => value);
      const name = taskId.slice(taskId.lastIndexOf("\0") + 1);
      const output: unknown = await script(unpackValue(input), {
        taskId: name,
        attempt,
        timeoutMs,
        traceparent,
        signal,
        progress,
      });
      if (signal.aborted) return { kind: "cancelled", error: toWireError(signal.reason) };
      return { kind: "completed", output: packValue(output ?? null) };
    } catch (error) {
      if (signal.aborted) return { kind: "cancelled", error: toWireError(signal.reason) };
      if (isFault(error, "UNAVAILABLE")) return { kind: "interrupted", why: error.message };
      if (!isFault(error)) throw error;
      return { kind: "failed", error: toWireError(error) };
    } finally {
      this.#runs.delete(taskId);
    }
  }

  cancel(taskId: string): boolean {
    this.#runs.get(taskId)?.abort(fault("CANCELLED", { what: taskId }));
    return this.#runs.has(taskId);
  }

  close(): Promise<void> {
    for (const controller of this.#runs.values()) controller.abort(fault("CANCELLED", { what: "the pool" }));
    return Promise.resolve();
  }
}
