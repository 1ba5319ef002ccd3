/**
 * The third door of the package, `mcplusplus/tools`: tools of the user's own for the MCP server. It is apart from the first,
 * because it loads what checks schemas, which a program that only opens a system does without.
 */
export { defineOwnTool as defineTool } from "./tools/own-tool.ts";
export type { OwnToolDefinition as ToolDefinition } from "./tools/own-tool.ts";
export type { SchemaInput } from "./tools/own-schema.ts";
export type { Tool, ToolCall, ToolHints } from "./tools/tool.ts";
export type { RetryPolicy, Runtime, ToolMetadata, ToolMetadataInput } from "./router/index.ts";
