import type { Source } from "../../../src/ring/index.ts";

/** A source that the test fills by hand. */
export class FakeSource implements Source {
  polls = 0;
  flushes = 0;
  expecting = false;
  /** Things to handle; each poll takes all. */
  waiting = 0;
  onPoll: () => void = () => undefined;
  onReady: () => void = () => undefined;
  #reached: { readonly polls: number; readonly resolve: () => void } | undefined;

  ready(): boolean {
    this.onReady();
    return this.waiting > 0;
  }

  poll(): void {
    this.waiting = 0;
    this.polls++;
    this.onPoll();
    if (this.#reached && this.polls >= this.#reached.polls) this.#reached.resolve();
  }

  flush(): void {
    this.flushes++;
  }

  /** Resolves when it has been polled so often in all. */
  polled(polls: number): Promise<void> {
    return new Promise((resolve) => {
      this.#reached = { polls, resolve };
      if (this.polls >= polls) resolve();
    });
  }
}
