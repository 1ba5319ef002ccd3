import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { RuntimeDetector, ToolRegistry } from "../../src/router/index.ts";
import { routed } from "./kit/tool.ts";

function detector(...registered: Parameters<ToolRegistry["register"]>[0][]) {
  const registry = new ToolRegistry();
  for (const tool of registered) registry.register(tool);
  return new RuntimeDetector(registry);
}

describe("the runtime of a tool", () => {
  it("is found by the first of six steps that says something", () => {
    const p2p = { runtime: "p2p" } as const;
    const general = { runtime: "general" } as const;
    const auto = { runtime: "auto" } as const;
    const module = "/home/me/sums.trio.ts";
    const name = "workflow_sums";
    // Each next one lacks what decided the one before; what decides says otherwise than the rest.
    const registered = detector(routed(name, general));
    expect(registered.detect(name, routed(name, p2p, { module }))).toEqual({ ...general, by: "registry" });
    expect(registered.detect(name, routed(name, p2p, { module }))).toEqual({ ...general, by: "cache" });
    const unspoken = detector(routed(name, auto));
    expect(unspoken.detect(name, routed(name, general, { module }))).toEqual({ ...general, by: "metadata" });
    expect(detector().detect("sums", routed("sums", auto, { module }))).toEqual({ ...p2p, by: "module" });
    expect(detector().detect(name, routed(name, auto, { module: "/x/sums.ts" }))).toEqual({
      ...p2p,
      by: "name",
    });
    expect(detector().detect("sums", routed("sums"))).toEqual({ ...general, by: "default" });
  });

  it.each([
    [{ cpuIntensive: true }, "compute"],
    [{ memoryIntensive: true }, "compute"],
    [{ ioIntensive: true }, "general"],
    [{ cpuIntensive: true, runtime: "p2p" }, "p2p"],
    [{ cpuIntensive: true, runtime: "general" }, "general"],
  ] as const)(
    "with the metadata %j is %s: a host that has much to do answers nobody",
    (metadata, runtime) => {
      expect(detector().detect("sums", routed("sums", metadata)).runtime).toBe(runtime);
      expect(detector(routed("sums", metadata)).detect("sums", routed("sums")).runtime).toBe(runtime);
    },
  );

  it.each(["p2p_x", "my_Workflow", "TASKQUEUE", "peer_x", "bootstrap"])("is p2p for the name %s", (name) => {
    expect(detector().detect(name, null)).toEqual({ runtime: "p2p", by: "name" });
  });

  it.each(["task_submit", "queue_stats", "worker_status", "peers"])(
    "is not p2p for the name %s alone",
    (name) => {
      expect(detector().detect(name, null)).toEqual({ runtime: "general", by: "default" });
    },
  );

  it.each([
    ["/a/my-mcplusplus.ts", "p2p"],
    ["/a/patriots.ts", "p2p"],
    ["/a/TRIO.ts", "general"],
    ["/home/trio/mcplusplus/sums.ts", "general"],
  ])("that %s defines is %s: the file's own name counts, and its case", (module, runtime) => {
    expect(detector().detect("sums", routed("sums", {}, { module })).runtime).toBe(runtime);
  });

  it("of a name alone is not remembered, and the registry is not asked", () => {
    const detected = detector(routed("peer_x", { runtime: "general" }));
    expect(detected.detect("peer_x", null)).toEqual({ runtime: "p2p", by: "name" });
    expect(detected.detect("peer_x", null)).toEqual({ runtime: "p2p", by: "name" });
    expect(detected.counts()).toMatchObject({ detections: 2, cacheHits: 0, cacheMisses: 2 });
  });

  it("is found anew after it was forgotten", () => {
    const registry = new ToolRegistry();
    const detected = new RuntimeDetector(registry);
    expect(detected.detect("a", routed("a")).by).toBe("default");
    registry.register(routed("a", { runtime: "p2p" }));
    expect(detected.detect("a", routed("a")).by).toBe("cache");
    detected.forget("a");
    expect(detected.detect("a", routed("a"))).toEqual({ runtime: "p2p", by: "registry" });
  });

  it("may have another default", () => {
    expect(new RuntimeDetector(new ToolRegistry(), "p2p").detect("a", null).runtime).toBe("p2p");
  });

  it("is remembered for 1,000 names, and found each time for all others", () => {
    const detected = detector();
    for (let tool = 0; tool <= LIMITS.router.tools; tool++) detected.detect(`t${tool}`, routed(`t${tool}`));
    expect(detected.detect("t999", routed("t999")).by).toBe("cache");
    expect(detected.detect("t1000", routed("t1000")).by).toBe("default");
  });

  it("is counted by what was found and what it went by", () => {
    const detected = detector(routed("a", { runtime: "p2p" }));
    for (const name of ["a", "a", "b"]) detected.detect(name, routed(name));
    detected.detect("peer_x", null);
    expect(detected.counts()).toEqual({
      detections: 4,
      cacheHits: 1,
      cacheMisses: 3,
      byRuntime: { general: 1, p2p: 3, compute: 0 },
      byStep: { cache: 1, registry: 1, metadata: 0, module: 0, name: 1, default: 1 },
    });
  });
});
