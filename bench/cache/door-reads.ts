import type { CacheDoor } from "mcplusplus";
import { perSecond } from "./per-second.ts";

/** Reads a second, one after the other. @throws when one finds nothing: a miss would be no figure of hits */
export function doorReads(door: CacheDoor, keys: readonly string[], times: number): Promise<number> {
  return perSecond(times, async () => {
    for (let read = 0; read < times; read++) {
      const found = await door.get(keys[read % keys.length] ?? "");
      if (found === undefined) throw new Error("a hot key was not found");
    }
  });
}
