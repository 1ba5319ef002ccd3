import { Cache, CacheDoor, actor } from "mcplusplus";
import { doorReads } from "./door-reads.ts";
import { Reader } from "./reader.protocol.ts";

export default actor(Reader, ({ ref }) => {
  const door = new CacheDoor(ref(Cache));
  return { read: async ({ keys, times }) => ({ perSecond: await doorReads(door, keys, times) }) };
});
