import type { Tool } from "./tool.ts";
import { workflowResult } from "./workflow/workflow-result.ts";
import { workflowStatus } from "./workflow/workflow-status.ts";
import { workflowSubmit } from "./workflow/workflow-submit.ts";

export { callTool, inputSchemaOf, type Tool } from "./tool.ts";

/** In the order in which they are listed; clients cache by it. */
export const TOOLS: readonly Tool[] = Object.freeze([workflowSubmit, workflowStatus, workflowResult]);
