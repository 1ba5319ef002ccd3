import { RuntimeDetector, ToolRegistry, ToolRouter, type RoutedTool } from "../../src/router/index.ts";
import { selectTools } from "../../src/tools/index.ts";
import type { Flags } from "../kit/flags.ts";
import { nanosecondsPerRun } from "../kit/micro.ts";
import { median, result, type Measured } from "../kit/suite.ts";
import { inTurns, type Figures } from "../kit/turns.ts";

/** What routing adds to a call: the detection of its runtime, and the way through the router, beside the bare call. */
const CALLS = 20_000;
const GOALS = { detectionCachedUs: 1, register26Ms: 5 };

export default async function measure({ rounds }: Flags): Promise<Measured> {
  const tools = selectTools();
  const [tool] = tools;
  if (tool === undefined) throw new Error("there is no tool");
  const small = await nanosecondsPerRun(detections(tools, tool));
  const calls = await inTurns(rounds, [bare, routed("p2p", tool), routed("general", tool)]);
  return {
    durability: "none",
    results: [
      ...Object.entries(small).map(([name, values]) => result(name, "ns", values)),
      ...Object.entries(calls).map(([name, values]) => result(name, "us", values)),
    ],
    ratios: [
      {
        name: "detection_cached_us",
        value: median(small["detect_cached"] ?? []) / 1_000,
        atMost: GOALS.detectionCachedUs,
      },
      {
        name: "register_26_ms",
        value: median(small["register_26"] ?? []) / 1e6,
        atMost: GOALS.register26Ms,
      },
    ],
    // Not those of millions of runs of a few nanoseconds.
    samples: calls,
  };
}

function detections(tools: readonly RoutedTool[], tool: RoutedTool): Record<string, () => void> {
  const names = new Map(tools.map(({ name }) => [name, name]));
  const detector = new RuntimeDetector(new ToolRegistry());
  return {
    /** The least that finding something by its name can cost. */
    map_lookup: () => void names.get(tool.name),
    detect_cached: () => void detector.detect(tool.name, tool),
    detect_anew: () => {
      detector.forget(tool.name);
      detector.detect(tool.name, tool);
    },
    /** With the detection of each, from nothing. */
    register_26: () => {
      const router = new ToolRouter();
      router.register(tools);
      for (const each of tools) router.begin(each);
    },
  };
}

const work = async (): Promise<number> => 1;

/** The same work without a router. */
async function bare(): Promise<Figures> {
  const startMs = performance.now();
  for (let call = 0; call < CALLS; call++) await work();
  return { call_bare: usSince(startMs) };
}

/** One call after the other, each with its deadline, its signal and its report. */
function routed(runtime: "p2p" | "general", tool: RoutedTool): () => Promise<Figures> {
  const { signal } = new AbortController();
  let reported = 0;
  const router = new ToolRouter({ report: () => (reported += 1) });
  const placed = { ...tool, metadata: { ...tool.metadata, runtime } };
  return async () => {
    const startMs = performance.now();
    reported = 0;
    for (let call = 0; call < CALLS; call++) {
      const routedCall = router.begin(placed);
      await routedCall.run({ timeoutMs: 30_000, signal }, work);
      routedCall.end(true);
    }
    if (reported !== CALLS) throw new Error(`${reported} of ${CALLS} calls were reported`);
    return { [`call_${runtime}`]: usSince(startMs) };
  };
}

const usSince = (startMs: number): number => ((performance.now() - startMs) * 1_000) / CALLS;
