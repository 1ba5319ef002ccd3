import type { Implementation } from "@modelcontextprotocol/server";

/** How a server is called by its clients. */
export const identityOf = (version: string): Implementation => ({
  name: "mcplusplus",
  title: "mcplusplus",
  version,
});
