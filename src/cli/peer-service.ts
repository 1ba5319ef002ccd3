import type { Offer } from "../mcp/index.ts";
import { openSystem, type System, type SystemOptions } from "../system/index.ts";
import { inNetworkFlags } from "./network-flags.ts";
import { version } from "./version.ts";

/**
 * Opens a system whose tools are there for peers too, where networking is on: as far as each peer has a grant, and as long
 * as the system is open. Of several processes that share a directory, its owner serves.
 *
 * @throws what `openSystem` throws
 */
export async function openForPeers(options: SystemOptions, offer: Offer): Promise<System> {
  const system = await openSystem(options).catch((error: unknown) => {
    throw inNetworkFlags(error);
  });
  if (options.network === undefined) return system;
  const { openDoor, openPeerServer } = await import("../mcp/index.ts");
  const { network, remote } = system.actors;
  try {
    const { closed } = await openPeerServer({
      ...offer,
      network,
      remote,
      door: openDoor(async () => system),
      version: version(),
      // Its end is that of the network's actor, which stops with the system.
      signal: new AbortController().signal,
      serves: () => system.role === "owner",
    });
    closed.catch(() => undefined);
  } catch (error) {
    // A guest of an owner without networking serves nobody; whoever asks about peers is told why.
    if (system.role === "owner") {
      await system.close();
      throw error;
    }
  }
  return system;
}
