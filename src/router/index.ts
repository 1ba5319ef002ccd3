export { OTHER_TOOLS, Router, type ToolFigures, type ToolMeasurement } from "./router.protocol.ts";
export { routerBehaviour } from "./router.behaviour.ts";
