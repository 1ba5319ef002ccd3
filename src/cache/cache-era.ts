import type { ActorContext, InitOf } from "../actor/index.ts";
import { LIMITS, fault } from "../errors/index.ts";
import { CacheCore } from "./cache.core.ts";
import { CacheFile, setAside } from "./cache-file.ts";
import type { Cache } from "./cache.protocol.ts";
import { HotValues } from "./hot-values.ts";

type Context = ActorContext<typeof Cache.members>;
type Init = InitOf<typeof Cache.members>;

/**
 * One file and what memory knows about it. When the file turns out to be damaged both are given up together, so that
 * whatever its writes still undo, they undo it where it was done.
 */
export interface Era {
  readonly core: CacheCore;
  readonly file: CacheFile;
  readonly hot: HotValues;
  /** Values on their way to the file, by id: until they arrive there is nowhere else to read them. */
  readonly unwritten: Map<number, Uint8Array>;
}

/** @throws FILE_UNWRITABLE when the damaged file stays in the way, and what opening a store throws */
export async function beginAnew(context: Context, init: Init, why: unknown): Promise<Era> {
  context.log.error("the cache file is damaged", { error: why });
  if (init.directory !== null) {
    context.log.info("the damaged cache file is set aside", { as: setAside(init.directory) });
  }
  return openEra(context, init);
}

/** Opens the file and reads its index. A file that cannot be read to its end is closed again. */
export async function openEra(context: Context, init: Init): Promise<Era> {
  const { directory, sizeBytesMax } = init;
  const core = new CacheCore(init);
  const file = new CacheFile(directory, context);
  try {
    for (const entry of file.entries()) {
      if (core.load(entry)) continue;
      throw fault("STORE_CORRUPT", {
        path: file.path,
        why: `two of its rows have the key ${JSON.stringify(entry.key)}`,
      });
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  const hotBytes = Math.min(LIMITS.cache.hotBytes, sizeBytesMax);
  return { core, file, hot: new HotValues(hotBytes), unwritten: new Map() };
}
