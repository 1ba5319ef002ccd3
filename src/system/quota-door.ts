import type { RefOf } from "../actor/index.ts";
import type { Queue, Quota, QuotaStatus } from "../queue/queue.protocol.ts";
import { checkText } from "../schema/index.ts";
import { throughRestarts } from "./through-restarts.ts";

/** `system.tasks.quotas`: bounds and shares for all tasks of one action, or all that bear one tag. */
export class QuotaDoor {
  readonly #queue: RefOf<typeof Queue>;

  constructor(queue: RefOf<typeof Queue>) {
    this.#queue = queue;
  }

  /** Holds from now on, through restarts, in place of an earlier one of the same scope and name. @throws INVALID_ARGUMENT */
  set(quota: Quota): Promise<void> {
    return throughRestarts(this.#queue, () => this.#queue.call.setQuota({ quota }));
  }

  /** False: there was none. @throws INVALID_ARGUMENT */
  async remove(scope: Quota["scope"], name: string): Promise<boolean> {
    checkText("scope", scope);
    checkText("name", name);
    return this.#queue.call.removeQuota({ scope, name });
  }

  /** All of them, with what is in use. */
  async list(): Promise<QuotaStatus[]> {
    return (await throughRestarts(this.#queue, () => this.#queue.call.quotas())).quotas;
  }
}
