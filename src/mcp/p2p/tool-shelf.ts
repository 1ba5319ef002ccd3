import type { ServedTool } from "../served-tool.ts";
import type { McpApp } from "../mcp-app.ts";

/** In a grant, every tool that is offered to peers. */
const ANY = "*";

export const names = (granted: readonly string[], tool: string): boolean =>
  granted.includes(ANY) || granted.includes(tool);

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

  shownTo(granted: readonly string[]): McpApp {
    const tools = new Map([...this.#tools].filter(([name]) => names(granted, name)));
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
