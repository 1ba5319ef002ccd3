import { statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { LIMITS, fault, sentenceOf, type Fault } from "../errors/index.ts";
import { isOwnTool } from "./own-tool.ts";
import type { Tool } from "./tool.ts";
import { TOOLS } from "./toolsets.ts";

/**
 * Loads the user's own tools: whatever `defineTool` made that the modules export, by itself or in lists. The modules run in
 * this process.
 *
 * @param modules paths of files
 * @returns in the order of the modules, and of the exports of each by name
 * @throws MODULE_INVALID, also for a name that one of our tools has, or another of theirs
 */
export async function loadTools(modules: readonly string[]): Promise<readonly Tool[]> {
  const owners = new Map(TOOLS.map(({ name }) => [name, "the package"]));
  const loaded: Tool[] = [];
  for (const module of modules) {
    const path = resolve(module);
    for (const tool of await toolsOf(path)) {
      const owner = owners.get(tool.name);
      if (owner !== undefined) throw invalid(path, `its tool "${tool.name}" is already defined by ${owner}`);
      owners.set(tool.name, path);
      loaded.push(Object.freeze({ ...tool, module: path }));
    }
  }
  const most = LIMITS.tools.own;
  if (loaded.length > most) throw invalid(modules.join(", "), `${loaded.length} tools are more than ${most}`);
  return loaded;
}

async function toolsOf(path: string): Promise<Tool[]> {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) throw invalid(path, "there is no such file");
  const exported = await import(pathToFileURL(path).href).then(
    (module: Record<string, unknown>) => Object.values(module),
    (error: unknown) => {
      throw invalid(path, sentenceOf(error), error);
    },
  );
  // One value under two names (named and default) is one tool.
  const tools = [...new Set(exported.flat())].filter(isOwnTool);
  if (tools.length === 0) throw invalid(path, "it exports nothing that defineTool returned");
  return tools;
}

const invalid = (module: string, why: string, cause?: unknown): Fault =>
  fault("MODULE_INVALID", { module, why }, { cause });
