import { RUNTIMES, type Runtime, type ToolMetadata } from "./tool-metadata.ts";

/** A tool as far as its calls have to be carried out, and no further. */
export interface RoutedTool {
  readonly name: string;
  readonly description: string;
  /** What its arguments are checked by; absent: nothing. */
  readonly input?: unknown;
  readonly metadata: ToolMetadata;
  /** The file that defines it; absent for those of the package. */
  readonly module?: string | undefined;
}

export interface RegistryStatistics {
  readonly tools: number;
  readonly byRuntime: Readonly<Record<Runtime | "auto", number>>;
  readonly byCategory: Readonly<Record<string, number>>;
  readonly categories: number;
  /** Tools that work on a peer's data only. */
  readonly requirePeers: number;
}

/** What leaves something out that a caller, or whoever looks at figures, needs. */
export interface IncompleteTool {
  readonly tool: string;
  /** Sentences. */
  readonly problems: readonly string[];
}

/** The tools of one process by name. A plain value: it asks nobody, and changes only when it is told to. */
export class ToolRegistry {
  readonly #tools = new Map<string, RoutedTool>();

  /** One of the same name is replaced: nothing of it is left in any list. @returns the one that was there before */
  register(tool: RoutedTool): RoutedTool | undefined {
    const earlier = this.#tools.get(tool.name);
    this.#tools.set(tool.name, tool);
    return earlier;
  }

  get(name: string): RoutedTool | undefined {
    return this.#tools.get(name);
  }

  /** In the order in which their names were first registered, as are all lists. */
  list(): RoutedTool[] {
    return [...this.#tools.values()];
  }

  byRuntime(runtime: Runtime | "auto"): RoutedTool[] {
    return this.list().filter(({ metadata }) => metadata.runtime === runtime);
  }

  byCategory(category: string): RoutedTool[] {
    return this.list().filter(({ metadata }) => metadata.category === category);
  }

  statistics(): RegistryStatistics {
    const tools = this.list();
    const byCategory = countsOf(tools.map(({ metadata }) => metadata.category));
    const byRuntime = countsOf(tools.map(({ metadata }) => metadata.runtime));
    return {
      tools: tools.length,
      byRuntime: { ...NO_RUNTIMES, ...byRuntime },
      byCategory,
      categories: Object.keys(byCategory).length,
      requirePeers: tools.filter(({ metadata }) => metadata.requiresPeers).length,
    };
  }

  /** The tools that leave something out, each with all that it does. */
  incomplete(): IncompleteTool[] {
    return this.list()
      .map((tool) => ({ tool: tool.name, problems: problemsOf(tool) }))
      .filter(({ problems }) => problems.length > 0);
  }
}

const NO_RUNTIMES = Object.fromEntries([...RUNTIMES, "auto"].map((runtime) => [runtime, 0])) as Record<
  Runtime | "auto",
  number
>;

function countsOf(names: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries(counts);
}

function problemsOf({ name, description, input, metadata }: RoutedTool): string[] {
  const { category, runtime, requiresPeers } = metadata;
  const problems: readonly [boolean, string][] = [
    [name === "", "it has no name"],
    [description === "", "it has no description"],
    [input === undefined, "nothing says what its arguments are"],
    [category === "general", "its category is the default, general"],
    [requiresPeers && runtime === "general", "it needs peers, and its runtime is general instead of p2p"],
  ];
  return problems.filter(([wrong]) => wrong).map(([, problem]) => problem);
}
