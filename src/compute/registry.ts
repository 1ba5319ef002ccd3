import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { fault, type Fault } from "../errors/index.ts";
import type { ActionServices } from "./actions/action.ts";
import { builtInTasks } from "./built-in-tasks.ts";
import { isTasks, type Handler, type Tasks } from "./define-tasks.ts";
import { causeOf, textOfThrown } from "./thrown.ts";
import type { HandlerInfo } from "./thread-message.ts";

const BUILT_IN = "built-in";

interface Entry {
  readonly handler: Handler;
  readonly info: HandlerInfo;
}

/** The handlers that one thread knows: the built-in ones, and those of the user's modules once they are needed. */
export interface Registry {
  /** The handler, when it can be had without waiting; undefined says nothing else. */
  known(action: string): Handler | undefined;
  /**
   * @param onImport told the index of each module right before it is imported: an import can end the thread
   * @throws UNKNOWN_ACTION; MODULE_INVALID unless the action is built in
   */
  find(action: string, onImport: (index: number) => void): Promise<Handler>;
  /** @throws MODULE_INVALID */
  describe(onImport: (index: number) => void): Promise<HandlerInfo[]>;
}

/** @param modules URLs of files; each is imported at most once, and one that failed stays failed */
export function createRegistry(modules: readonly string[], services: ActionServices): Registry {
  const builtIn = new Map(entriesOf(builtInTasks(services), BUILT_IN, null));
  let loading: Promise<ReadonlyMap<string, Entry>> | null = null;
  let loaded: ReadonlyMap<string, Entry> = builtIn;
  const load = (onImport: (index: number) => void): Promise<ReadonlyMap<string, Entry>> => {
    loading ??= loadAll(modules, builtIn, onImport).then((entries) => (loaded = entries));
    return loading;
  };
  return {
    known: (action) => loaded.get(action)?.handler,
    async find(action, onImport) {
      const entry = builtIn.get(action) ?? (await load(onImport)).get(action);
      if (entry !== undefined) return entry.handler;
      throw fault("UNKNOWN_ACTION", { action, known: [...(await load(onImport)).keys()].toSorted() });
    },
    async describe(onImport) {
      return [...(await load(onImport)).values()].map(({ info }) => info);
    },
  };
}

async function loadAll(
  modules: readonly string[],
  builtIn: ReadonlyMap<string, Entry>,
  onImport: (index: number) => void,
): Promise<ReadonlyMap<string, Entry>> {
  const entries = new Map(builtIn);
  for (const [index, module] of modules.entries()) {
    onImport(index);
    for (const [name, entry] of await entriesOfModule(module)) {
      const earlier = entries.get(name);
      if (earlier !== undefined) {
        const where = earlier.info.module === BUILT_IN ? "a built-in handler" : earlier.info.module;
        throw fault("MODULE_INVALID", {
          module,
          why: `its handler "${name}" is already defined by ${where}`,
        });
      }
      entries.set(name, entry);
    }
  }
  return entries;
}

async function entriesOfModule(module: string): Promise<[string, Entry][]> {
  const invalid = (why: string): Fault => fault("MODULE_INVALID", { module, why });
  let sha256: string;
  let exported: Record<string, unknown>;
  try {
    sha256 = createHash("sha256")
      .update(await readFile(fileURLToPath(module)))
      .digest("hex");
    exported = (await import(module)) as Record<string, unknown>;
  } catch (error) {
    throw fault("MODULE_INVALID", { module, why: withWayOut(textOfThrown(error)) }, causeOf(error));
  }
  // One value under two names (named and default) is one set of handlers.
  const tasks = [...new Set(Object.values(exported))].filter(isTasks);
  if (tasks.length === 0) throw invalid("it exports nothing that defineTasks returned");
  const entries = tasks.flatMap((each) => entriesOf(each, module, sha256));
  const twice = entries.find(([name], index) => entries.findIndex(([other]) => other === name) < index);
  if (twice !== undefined) throw invalid(`it defines "${twice[0]}" twice`);
  return entries;
}

/** The loader says what it did not find, and not where it would have. */
const withWayOut = (why: string): string =>
  why.includes("Cannot find package 'mcplusplus'")
    ? `${why}: it has to lie in a project that has the package installed, or in a clone of it`
    : why;

function entriesOf(tasks: Tasks, module: string, moduleSha256: string | null): [string, Entry][] {
  return Object.entries(tasks.handlers).map(([name, handler]) => {
    const { description, timeoutMs, isolation } = handler;
    return [name, { handler, info: { name, description, module, timeoutMs, isolation, moduleSha256 } }];
  });
}
