import { actor } from "../../../src/actor/index.ts";
import { Cache } from "../../../src/cache/cache.protocol.ts";
import { assert } from "../../../src/errors/index.ts";
import { CacheDoor } from "../../../src/system/cache-door.ts";
import { CacheReader } from "./cache-reader.protocol.ts";

export default actor(CacheReader, ({ ref, shared, scheduler }) => {
  const door = new CacheDoor(ref(Cache));
  assert(shared, "the reader shares the number that was acknowledged last");
  const acknowledged = new Int32Array(shared);
  return {
    async watch({ key, last }) {
      let tooOld = 0;
      for (let reads = 1; ; reads++) {
        const least = Atomics.load(acknowledged, 0);
        const found = await door.get(key);
        const seen = typeof found?.value === "number" ? found.value : 0;
        if (seen < least) tooOld += 1;
        if (seen >= last) {
          // Once more: nothing changes any more, so this read is from the copy.
          await door.get(key);
          await door.stats();
          return { reads, tooOld };
        }
        // A read from a copy lets no message in.
        if (reads % 64 === 0) await new Promise<void>((resolve) => scheduler.schedule(resolve));
      }
    },
  };
});
