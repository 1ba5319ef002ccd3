import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ToolRouter, toolMetadata, type Runtime } from "../../src/router/index.ts";
import { openSystem, type System } from "../../src/system/index.ts";
import { callTool, computeTasks, selectTools, type Tool } from "../../src/tools/index.ts";
import type { Flags } from "../kit/flags.ts";
import { median, percentile, result, type Measured } from "../kit/suite.ts";
import { inLanes, inTurns, type Figures } from "../kit/turns.ts";

/**
 * Tools that only read, on two runtimes: `p2p`, where the actor that owns the answer is asked directly, and `compute`,
 * where a thread of the pool does the asking, as a guest of the same system.
 */

const SEQUENTIAL = 500;
const PIPELINED = 2_000;
const IN_FLIGHT = 64;
const GOALS = { p50Ratio: 0.4, throughputRatio: 3.5 };

/** What they read, and with which arguments. */
const READING: Readonly<Record<string, Record<string, unknown>>> = {
  task_status: { task_id: "t" },
  queue_stats: {},
  workflow_status: { workflow_id: "w" },
};
const { signal: NEVER } = new AbortController();

export default async function measure({ rounds }: Flags): Promise<Measured> {
  const directory = await mkdtemp(join(tmpdir(), "mcplusplus-runtimes-"));
  const data = join(directory, "data");
  const native = selectTools().filter(({ name }) => Object.hasOwn(READING, name));
  const bridged = native.map((tool) => moved(tool, "compute"));
  const system = await openSystem({ data, attach: true, tasks: [...computeTasks(bridged, data)] });
  try {
    await prepare(system);
    const turns = native.flatMap((tool, at) => [
      calls("native", tool, system),
      calls("bridged", bridged[at] ?? tool, system),
    ]);
    const samples = await inTurns(rounds, turns);
    const of = (name: string): number => median(samples[name] ?? []);
    return {
      durability: "flushed",
      results: Object.entries(samples).map(([name, values]) =>
        result(name, name.includes("inflight") ? "per second" : "us", values),
      ),
      ratios: native.flatMap(({ name }) => [
        {
          name: `native_vs_bridged_${name}_p50`,
          value: of(`${name}_native_p50`) / of(`${name}_bridged_p50`),
          atMost: GOALS.p50Ratio,
        },
        {
          name: `native_vs_bridged_${name}_throughput`,
          value: of(`${name}_native_64_inflight`) / of(`${name}_bridged_64_inflight`),
          atLeast: GOALS.throughputRatio,
        },
      ]),
      samples,
    };
  } finally {
    await system.close();
    await rm(directory, { recursive: true, force: true });
  }
}

const moved = (tool: Tool, runtime: Runtime): Tool => ({
  ...tool,
  metadata: toolMetadata(tool.name, { runtime }),
});

/** What is asked about. */
async function prepare(system: System): Promise<void> {
  await called("task_submit", { task_id: "t", task_type: "echo", payload: {} }, system);
  const steps = [{ step_id: "a", action: "echo" }];
  await called("workflow_submit", { workflow_id: "w", name: "W", steps }, system);
  await called("workflow_result", { workflow_id: "w", wait_seconds: 30 }, system);
  await called("task_result", { task_id: "t", wait_seconds: 30 }, system);
}

function called(name: string, args: Record<string, unknown>, system: System): Promise<void> {
  const [tool] = selectTools().filter((each) => each.name === name);
  if (tool === undefined) throw new Error(`there is no tool ${name}`);
  return call(tool, args, system, new ToolRouter());
}

async function call(
  tool: Tool,
  args: Record<string, unknown>,
  system: System,
  router: ToolRouter,
): Promise<void> {
  const answer = await callTool(tool, args, { open: async () => system, signal: NEVER, router });
  if (answer["success"] !== true) throw new Error(`${tool.name}: ${JSON.stringify(answer)}`);
}

/** One after the other, and then so many at once. */
function calls(kind: "native" | "bridged", tool: Tool, system: System): () => Promise<Figures> {
  const router = new ToolRouter();
  const expected = kind === "native" ? "p2p" : "compute";
  if (router.begin(tool).runtime !== expected) throw new Error(`${tool.name} does not run on ${expected}`);
  const args = READING[tool.name] ?? {};
  return async () => {
    const times: number[] = [];
    for (let nth = 0; nth < SEQUENTIAL; nth++) {
      const sinceMs = performance.now();
      await call(tool, args, system, router);
      times.push((performance.now() - sinceMs) * 1_000);
    }
    const sinceMs = performance.now();
    await inLanes(PIPELINED, IN_FLIGHT, () => call(tool, args, system, router));
    const perSecond = (PIPELINED / (performance.now() - sinceMs)) * 1_000;
    return {
      [`${tool.name}_${kind}_p50`]: median(times),
      [`${tool.name}_${kind}_p99`]: percentile(times, 0.99),
      [`${tool.name}_${kind}_64_inflight`]: perSecond,
    };
  };
}
