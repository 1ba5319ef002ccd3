import { expect } from "vitest";
import type { System } from "../../../src/system/index.ts";
import { TOOLS, callTool, type Tool } from "../../../src/tools/index.ts";
import type { TemplateRegistry } from "../../../src/workflow/template.ts";

export function toolNamed(name: string): Tool {
  const found = TOOLS.find((each) => each.name === name);
  if (!found) throw new Error(`there is no tool ${name}`);
  return found;
}

/** Calls a tool, after a look at the promise that its answer fits its declared output, failures included. */
export async function callOf(
  name: string,
  args: unknown,
  open: () => Promise<System>,
  more: { readonly templates?: TemplateRegistry } = {},
): Promise<Record<string, unknown>> {
  const tool = toolNamed(name);
  const answer = await callTool(tool, args, { open, signal: new AbortController().signal, ...more });
  const { issues } = await tool.output["~standard"].validate(answer);
  expect(issues, `what ${name} answers`).toBeUndefined();
  return answer;
}
