import { ANY_NAME } from "../../remote/remote.protocol.ts";
import type { ServedTool } from "../served-tool.ts";
import type { McpApp } from "../mcp-app.ts";

/** The tools that a server offers to peers, of which each sees those that its grant names. */
export class ToolShelf {
  readonly #app: McpApp;
  /** By name, in the order of their names. */
  readonly #tools: ReadonlyMap<string, ServedTool>;

  /** @param more beside those of the app */
  constructor(app: McpApp, more: readonly ServedTool[]) {
    this.#app = app;
    const tools = [...[...app.tools.values()].map(forPeers), ...more];
    const byName = tools.map((tool) => [tool.listing.name, tool] as const);
    this.#tools = new Map(byName.sort(([one], [other]) => (one < other ? -1 : 1)));
  }

  /** Does a grant of these tools hold for this one? What destroys has to be named. */
  covers(granted: readonly string[], name: string): boolean {
    if (granted.includes(name)) return true;
    return granted.includes(ANY_NAME) && this.#tools.get(name)?.listing.annotations?.destructiveHint !== true;
  }

  shownTo(granted: readonly string[]): McpApp {
    const tools = new Map([...this.#tools].filter(([name]) => this.covers(granted, name)));
    const app: McpApp = { ...this.#app, tools, loaded: () => app };
    return app;
  }
}

/** A peer is never asked to ask its user, and follows no work by a name that others could use. */
function forPeers(tool: ServedTool): ServedTool {
  return {
    listing: tool.listing,
    call: (args, request) => tool.call(args, { ...request, capabilities: {}, takesTasks: false }),
  };
}
