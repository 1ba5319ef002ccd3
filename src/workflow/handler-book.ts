import { untilAnswered, type RefOf } from "../actor/index.ts";
import { LIMITS } from "../errors/index.ts";
import type { ActionInfo, Queue } from "../queue/queue.protocol.ts";
import type { Patience } from "../scope/index.ts";

export interface HandlerBookServices extends Patience {
  readonly queue: RefOf<typeof Queue>;
  /** There is no thread that could load a handler: none is known. Default false. */
  readonly idle?: boolean;
}

/** Loading modules of handlers for the first time takes its time. */
const ASK_TIMEOUT_MS = LIMITS.compute.startMs + LIMITS.compute.loadMs;

/** The handlers that the queue has; asked for anew after the queue was away, since its modules may be others. */
export class HandlerBook {
  readonly #services: HandlerBookServices;
  readonly #onNews: (known: ReadonlyMap<string, ActionInfo>) => void;
  #asked: Promise<ReadonlyMap<string, ActionInfo>> | null = null;
  #known: ReadonlyMap<string, ActionInfo> | undefined;

  /** @param onNews told of each answer */
  constructor(services: HandlerBookServices, onNews: (known: ReadonlyMap<string, ActionInfo>) => void) {
    this.#services = services;
    this.#onNews = onNews;
  }

  /** As they were last told; undefined while that may be wrong. */
  get known(): ReadonlyMap<string, ActionInfo> | undefined {
    return this.#known;
  }

  /** What is known may be wrong from now on. */
  forget(): void {
    this.#asked = null;
    this.#known = undefined;
  }

  /** By name. @throws MODULE_INVALID, ACTOR_STOPPED */
  ask(): Promise<ReadonlyMap<string, ActionInfo>> {
    const asked = (this.#asked ??= this.#ask());
    asked.then(
      (known) => {
        if (this.#asked !== asked || this.#known === known) return;
        this.#known = known;
        this.#onNews(known);
      },
      () => {
        if (this.#asked === asked) this.#asked = null;
      },
    );
    return asked;
  }

  /** Those of the actions that workers outside take, other nodes among them: they come and go. @throws ACTOR_STOPPED */
  async elsewhere(actions: readonly string[]): Promise<readonly string[]> {
    const { queue, signal } = this.#services;
    const ask = () => queue.call.elsewhere({ actions: [...actions] }, { signal });
    return (await untilAnswered(queue, ask, this.#services)).actions;
  }

  async #ask(): Promise<ReadonlyMap<string, ActionInfo>> {
    const { queue, signal, idle = false } = this.#services;
    if (idle) return new Map();
    const options = { signal, timeoutMs: ASK_TIMEOUT_MS };
    const actions = await untilAnswered(queue, () => queue.call.actions(undefined, options), this.#services);
    return new Map(actions.map((action) => [action.name, action]));
  }
}
