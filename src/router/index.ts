export { CallReports } from "./call-reports.ts";
export { OTHER_TOOLS, Router, type ToolFigures, type ToolMeasurement } from "./router.protocol.ts";
export { routerBehaviour } from "./router.behaviour.ts";
export { RuntimeDetector } from "./runtime-detection.ts";
export { decidedRuntime, toolMetadata } from "./tool-metadata.ts";
export type { RetryPolicy, Runtime, ToolMetadata, ToolMetadataInput } from "./tool-metadata.ts";
export { ToolRegistry, type RoutedTool } from "./tool-registry.ts";
export { ToolRouter, type RoutedCall } from "./tool-router.ts";
