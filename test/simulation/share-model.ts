import type { Quota } from "../../src/queue/queue.protocol.ts";
import type { ModelTask } from "./model.ts";

interface ModelShare {
  readonly weight: number;
  readonly pass: number;
}

/** Never changed, only replaced: whatever is taken back is put back as it was. */
export interface ShareState {
  /** By tag; "" stands for all tasks without a weighted one. */
  readonly shares: ReadonlyMap<string, ModelShare>;
  /** The pass of the share that was served last. */
  readonly served: number;
}

const NOBODY: ShareState = { shares: new Map([["", { weight: 1, pass: 0 }]]), served: 0 };

/** Whose turn it is among tags with weights, in the simplest words. It shares no code with the core. */
export class ShareModel {
  state = NOBODY;

  /** A new life begins: nobody is ahead of anybody. */
  open(quotas: readonly Quota[]): void {
    this.state = NOBODY;
    for (const quota of quotas) this.set(quota, quota.weight);
  }

  /** A share whose weight changes stays as many starts ahead or behind as it was. */
  set({ scope, name }: Pick<Quota, "scope" | "name">, weight: number | undefined): void {
    if (scope !== "tag") return;
    const { served } = this.state;
    const shares = new Map(this.state.shares);
    const known = shares.get(name);
    const starts = known === undefined ? 0 : (known.pass - served) * known.weight;
    if (weight === undefined) shares.delete(name);
    else if (weight !== known?.weight) shares.set(name, { weight, pass: served + starts / weight });
    this.state = { shares, served };
  }

  /** Smaller is sooner. */
  passOf(task: ModelTask): number {
    return this.state.shares.get(this.#tagOf(task))?.pass ?? 0;
  }

  /** @param ready the tasks that could start now, apart from this one */
  serve(task: ModelTask, ready: Iterable<ModelTask>): void {
    if (this.state.shares.size === 1) return;
    const served = this.passOf(task);
    const tag = this.#tagOf(task);
    const busy = new Set(Array.from(ready, (each) => this.#tagOf(each)));
    const shares = new Map<string, ModelShare>();
    for (const [other, { weight, pass }] of this.state.shares) {
      const own = other === tag ? pass + 1 / weight : pass;
      shares.set(other, { weight, pass: busy.has(other) ? own : Math.max(own, served) });
    }
    this.state = { shares, served };
  }

  #tagOf({ spec: { tags = [] } }: ModelTask): string {
    return tags.find((tag) => this.state.shares.has(tag)) ?? "";
  }
}
