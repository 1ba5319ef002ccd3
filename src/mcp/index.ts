export { claimStandardOutput } from "./standard-output.ts";
export { openStdioServer } from "./stdio-server.ts";
export { tokenFrom } from "./bearer-token.ts";
export type { Offer } from "./offer.ts";
export { openHttpServer } from "./open-http-server.ts";
