export { openStdioServer } from "./stdio-server.ts";
