export { claimStandardOutput } from "./standard-output.ts";
export { openStdioServer } from "./stdio-server.ts";
export { tokenFrom } from "./bearer-token.ts";
export type { Offer } from "./offer.ts";
export { openHttpServer } from "./open-http-server.ts";
export { openPeerServer } from "./p2p/open-peer-server.ts";
export { openPeerStream } from "./p2p/peer-streams.ts";
export { callPeerTool, listPeerTools, type PeerTool, type PeerToolAnswer } from "./p2p/peer-client.ts";
export { openDoor } from "./system-door.ts";
