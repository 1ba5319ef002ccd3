import { toolMetadata, type RoutedTool, type ToolMetadataInput } from "../../../src/router/index.ts";

/** A tool that leaves nothing out. */
export const routed = (
  name: string,
  metadata: ToolMetadataInput = {},
  rest: Partial<RoutedTool> = {},
): RoutedTool => ({
  name,
  description: "Does something.",
  input: {},
  metadata: toolMetadata(name, { category: "tests", ...metadata }),
  ...rest,
});
