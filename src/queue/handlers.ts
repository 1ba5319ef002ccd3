import { BUILT_IN_ACTIONS, builtIn } from "../compute/built-in.protocol.ts";
import type { ComputePool, HandlerInfo, RunOutcome, RunRequest } from "../compute/index.ts";
import { LIMITS, fault, wireFault } from "../errors/index.ts";
import type { AttemptEnd } from "./queue.core.ts";

export interface HandlersOptions {
  /** URLs of the modules that define the others. */
  readonly modules: readonly string[];
  readonly openPool: () => ComputePool;
}

/** A null time-out is the handler's own. */
export type AttemptRequest = Omit<RunRequest, "timeoutMs"> & { readonly timeoutMs: number | null };

/**
 * The handlers as the queue sees them. The pool is opened when the first of them is needed, and its modules are
 * described once, when the first is needed that is not built in.
 */
export class Handlers {
  readonly #options: HandlersOptions;
  #pool: ComputePool | null = null;
  #closing: Promise<void> | null = null;
  #described: Promise<ReadonlyMap<string, HandlerInfo>> | null = null;
  /** Called when `placeOf` may tell more than before. */
  onKnown: () => void = () => undefined;
  /** What the latest description said. */
  #known: ReadonlyMap<string, HandlerInfo> = new Map();
  /** The latest description failed. A module may be repaired, so whoever asks for it has it made anew. */
  #broken = false;
  /** Attempts that wait for the description. One that leaves the set was cancelled before it reached the pool. */
  readonly #preparing = new Set<string>();

  constructor(options: HandlersOptions) {
    this.#options = options;
  }

  /** @throws MODULE_INVALID, UNAVAILABLE */
  async list(): Promise<HandlerInfo[]> {
    return [...(await this.#describe(this.#broken)).values()];
  }

  /** Where an action runs, when that is certain without asking the modules; undefined = it is not. */
  placeOf(action: string): "thread" | "shared" | undefined {
    return (builtIn(action) ?? this.#known.get(action))?.isolation;
  }

  /**
   * Resolves when `placeOf` tells of all that there are.
   *
   * @param isElsewhere is there a worker outside that has it?
   * @throws UNKNOWN_ACTION, MODULE_INVALID, UNAVAILABLE
   */
  async check(actions: readonly string[], isElsewhere: (action: string) => boolean): Promise<void> {
    const foreign = actions.filter((action) => !isElsewhere(action));
    if (this.#options.modules.length > 0) {
      if (foreign.length > 0) await this.#describe(this.#broken);
      // The modules may have it as well, and then it is not to wait for a worker that may never come back.
      else void this.#describe().catch(() => undefined);
    }
    const action = foreign.find((each) => this.placeOf(each) === undefined);
    if (action === undefined) return;
    const known = [...new Set([...BUILT_IN_ACTIONS, ...this.#known.keys()])].toSorted();
    throw fault("UNKNOWN_ACTION", { action, known });
  }

  /** Runs one attempt. Whatever goes wrong with it is how it ended. */
  async run(request: AttemptRequest): Promise<AttemptEnd> {
    const timeoutMs = request.timeoutMs ?? (await this.#timeoutOf(request));
    if (timeoutMs === "cancelled") return { kind: "cancelled" };
    return attemptEndOf(await this.#opened().run({ ...request, timeoutMs }), request.action);
  }

  /** Tells a running attempt to stop; nothing happens when there is none. */
  cancel(taskId: string, graceMs: number): void {
    if (!this.#preparing.delete(taskId)) this.#pool?.cancel(taskId, { graceMs });
  }

  /** Further calls wait for the first. */
  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#pool?.close({ graceMs }) ?? Promise.resolve();
    return this.#closing;
  }

  /** The handler's own time-out, else the queue's. */
  async #timeoutOf({ taskId, action }: AttemptRequest): Promise<number | "cancelled"> {
    const { defaultTimeoutMs } = LIMITS.queue;
    if (builtIn(action) !== undefined) return defaultTimeoutMs;
    this.#preparing.add(taskId);
    // The attempt itself finds out what is wrong with the modules, and fails with that.
    const described = await this.#describe().catch(() => null);
    if (!this.#preparing.delete(taskId)) return "cancelled";
    return described?.get(action)?.timeoutMs ?? defaultTimeoutMs;
  }

  #describe(again = false): Promise<ReadonlyMap<string, HandlerInfo>> {
    if (this.#described !== null && !again) return this.#described;
    this.#broken = false;
    this.#described = this.#opened()
      .describe()
      .then(
        (handlers) => {
          this.#known = new Map(handlers.map((info) => [info.name, info]));
          this.onKnown();
          return this.#known;
        },
        (error: unknown) => {
          this.#broken = true;
          throw error;
        },
      );
    return this.#described;
  }

  #opened(): ComputePool {
    return (this.#pool ??= this.#options.openPool());
  }
}

function attemptEndOf(outcome: RunOutcome, action: string): AttemptEnd {
  if (outcome.kind !== "interrupted") return outcome;
  return {
    kind: "interrupted",
    error: wireFault("UNAVAILABLE", { what: action, why: outcome.why }),
  };
}
