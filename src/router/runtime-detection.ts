import { basename } from "node:path";
import { LIMITS } from "../errors/index.ts";
import { RUNTIMES, decidedRuntime, type Runtime } from "./tool-metadata.ts";
import type { RoutedTool, ToolRegistry } from "./tool-registry.ts";

/** What a detection went by, in the order in which it is tried; the first that says something decides. */
export const DETECTION_STEPS = ["cache", "registry", "metadata", "module", "name", "default"] as const;
export type DetectionStep = (typeof DETECTION_STEPS)[number];

export interface Detection {
  readonly runtime: Runtime;
  readonly by: DetectionStep;
}

export interface DetectionCounts {
  readonly detections: number;
  readonly cacheHits: number;
  readonly cacheMisses: number;
  readonly byRuntime: Readonly<Record<Runtime, number>>;
  readonly byStep: Readonly<Record<DetectionStep, number>>;
}

/** Words in the name of a module that mean the actor's thread; case counts. */
const MODULE_WORDS = ["mcplusplus", "trio"];
/** Words in the name of a tool that mean the same, in either case. */
const NAME_WORDS = ["p2p_", "workflow", "taskqueue", "peer_", "bootstrap"];

/**
 * Finds the runtime of a tool in six steps, and remembers it by the tool's name. A plain value in the process that calls
 * the tool.
 */
export class RuntimeDetector {
  readonly #registry: ToolRegistry;
  readonly #fallback: Runtime;
  readonly #found = new Map<string, Detection>();
  readonly #counts = new DetectionCounter();

  /** @param fallback for a tool of which nothing is known */
  constructor(registry: ToolRegistry, fallback: Runtime = "general") {
    this.#registry = registry;
    this.#fallback = fallback;
  }

  /**
   * @param tool what is known of it beside its name; `null`: nothing, and then its name alone decides, nothing is
   *   remembered, and the registry is not asked
   */
  detect(name: string, tool: Pick<RoutedTool, "metadata" | "module"> | null): Detection {
    const detection = this.#found.get(name) ?? this.#detect(name, tool);
    this.#counts.count(detection);
    return detection;
  }

  /** What was found for this name holds no longer. */
  forget(name: string): void {
    this.#found.delete(name);
  }

  counts(): DetectionCounts {
    return this.#counts.counts();
  }

  #detect(name: string, tool: Pick<RoutedTool, "metadata" | "module"> | null): Detection {
    if (tool === null) return this.#byName(name);
    const detection =
      named("registry", this.#registry.get(name)) ??
      named("metadata", tool) ??
      this.#byModule(name, tool.module);
    // Bounded: names come from whoever calls.
    if (this.#found.size < LIMITS.router.tools)
      this.#found.set(name, { runtime: detection.runtime, by: "cache" });
    return detection;
  }

  #byModule(name: string, module: string | undefined): Detection {
    // The file alone: where the machine has its folders says nothing about a tool.
    const file = basename(module ?? "");
    if (MODULE_WORDS.some((word) => file.includes(word))) return { runtime: "p2p", by: "module" };
    return this.#byName(name);
  }

  #byName(name: string): Detection {
    const lower = name.toLowerCase();
    if (NAME_WORDS.some((word) => lower.includes(word))) return { runtime: "p2p", by: "name" };
    return { runtime: this.#fallback, by: "default" };
  }
}

function named(by: DetectionStep, tool: Pick<RoutedTool, "metadata"> | undefined): Detection | undefined {
  const runtime = tool === undefined ? "auto" : decidedRuntime(tool.metadata);
  return runtime === "auto" ? undefined : { runtime, by };
}

/** Counts detections by what they found and what they went by. */
export class DetectionCounter {
  readonly #byRuntime = new Map<Runtime, number>(RUNTIMES.map((runtime) => [runtime, 0]));
  readonly #byStep = new Map<DetectionStep, number>(DETECTION_STEPS.map((step) => [step, 0]));

  count({ runtime, by }: Detection): void {
    this.#byRuntime.set(runtime, (this.#byRuntime.get(runtime) ?? 0) + 1);
    this.#byStep.set(by, (this.#byStep.get(by) ?? 0) + 1);
  }

  counts(): DetectionCounts {
    const byStep = Object.fromEntries(this.#byStep) as Record<DetectionStep, number>;
    const byRuntime = Object.fromEntries(this.#byRuntime) as Record<Runtime, number>;
    const detections = Object.values(byStep).reduce((sum, count) => sum + count, 0);
    return {
      detections,
      cacheHits: byStep.cache,
      cacheMisses: detections - byStep.cache,
      byRuntime,
      byStep,
    };
  }
}
