import type { PeerServer, PeerServerOptions } from "./peer-server.ts";

/**
 * Serves tools to the peers of a network, over `/mcp+p2p/1.0.0`, until its signal aborts. What that needs is loaded here.
 *
 * @throws INVALID_ARGUMENT; UNAVAILABLE when networking is off
 * @see docs/guide/mcp-p2p.md
 */
export async function openPeerServer(options: PeerServerOptions): Promise<PeerServer> {
  const { servePeers } = await import("./peer-server.ts");
  return servePeers(options);
}
