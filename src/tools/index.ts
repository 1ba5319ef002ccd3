export { callTool } from "./call-tool.ts";
export { plainJson } from "./plain-json.ts";
export { computeTasks } from "./compute.ts";
export { answerSchemaOf, inputSchemaOf, type Tool } from "./tool.ts";
export type { Words } from "./words.ts";
export { loadTools } from "./tool-modules.ts";
export { DEFAULT_TOOLSETS, TOOLS, TOOLSETS, TOOLSET_NAMES, selectTools } from "./toolsets.ts";
export type { ToolSelection } from "./toolsets.ts";
