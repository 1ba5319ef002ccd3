export { openStdioServer, type StdioServer } from "./stdio-server.ts";
