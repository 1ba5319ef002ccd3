import type { RefOf } from "../../../src/actor/index.ts";
import type { Cache, CacheLookup } from "../../../src/cache/cache.protocol.ts";
import type { Scheduler } from "../../../src/scope/index.ts";
import { FakeLink } from "./fake-link.ts";

/** A cache that forgets nothing until it is killed, and then everything. */
export class FakeCache {
  readonly link: FakeLink;
  readonly ref: RefOf<typeof Cache>;
  readonly entries = new Map<string, Uint8Array>();

  constructor(turns: Scheduler) {
    const link = new FakeLink("cache", turns);
    this.link = link;
    const never = (): never => {
      throw new Error("the scheduler does not ask for this");
    };
    this.ref = {
      name: "cache",
      call: {
        get: link.member("get", ({ key }: { key: string }): CacheLookup => {
          const value = this.entries.get(key);
          return value ? { hit: true, value, storedAtMs: 0, expiresAtMs: 1 } : { hit: false };
        }),
        put: link.member("put", ({ key, value }: { key: string; value: Uint8Array }) => {
          this.entries.set(key, value);
        }),
        invalidate: never,
        clear: never,
        claim: never,
        renew: never,
        settle: never,
        fail: never,
        release: never,
        desert: never,
        references: link.member("references", () => ({ addresses: [], next: null })),
        stats: never,
        backup: never,
      },
      cast: {},
      on: {},
      writable: () => Promise.resolve(),
      ready: link.ready,
      shared: () => null,
    };
  }

  kill(): void {
    this.link.kill();
    this.entries.clear();
  }
}
