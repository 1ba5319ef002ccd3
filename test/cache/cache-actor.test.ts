import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Cache } from "../../src/cache/index.ts";
import { workerModule } from "../../src/actor/index.ts";
import { openSupervisor, type SupervisorHandle } from "../../src/supervisor/index.ts";
import { throughRestarts } from "../../src/system/through-restarts.ts";

let directory: string;
let supervisor: SupervisorHandle;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "cache-"));
  supervisor = openSupervisor();
});

afterEach(async () => {
  await supervisor.close();
  rmSync(directory, { recursive: true });
});

it.each(["thread", "inline"] as const)(
  "a cache placed %s that is killed finds its file free and its entries there",
  async (placement) => {
    const module = workerModule("cache.actor").href;
    const init = { directory, entriesMax: 10, sizeBytesMax: 1_000, policy: "lru" as const };
    const cache = await supervisor.spawn(Cache, { module, init, placement });
    await cache.call.put({ key: "a", value: new Uint8Array([1, 2, 3]), ttlMs: 60_000 });
    await supervisor.kill("cache");
    const found = await throughRestarts(cache, () => cache.call.get({ key: "a" }));
    expect(found).toMatchObject({ hit: true, value: new Uint8Array([1, 2, 3]) });
    const [health] = await supervisor.health();
    expect(health).toMatchObject({
      epoch: 2,
      report: { entries: 1, durability: "committed", filesSetAside: 0 },
    });
  },
);
