import { describe, expect, it } from "vitest";
import { ToolRegistry, type RoutedTool } from "../../src/router/index.ts";
import { routed } from "./kit/tool.ts";

const named = (tools: readonly RoutedTool[]): string[] => tools.map(({ name }) => name);

describe("the registry of tools", () => {
  it("lists tools by runtime and by category, in the order of their names' first registration", () => {
    const registry = new ToolRegistry();
    registry.register(routed("b", { runtime: "p2p" }));
    registry.register(routed("a", { runtime: "p2p", category: "other" }));
    registry.register(routed("c"));
    expect(named(registry.list())).toEqual(["b", "a", "c"]);
    expect(named(registry.byRuntime("p2p"))).toEqual(["b", "a"]);
    expect(named(registry.byRuntime("auto"))).toEqual(["c"]);
    expect(named(registry.byCategory("tests"))).toEqual(["b", "c"]);
    expect(registry.byCategory("nobody's")).toEqual([]);
    expect(registry.get("d")).toBeUndefined();
  });

  it("replaces a tool that is registered again, and leaves nothing of the first in any list", () => {
    const registry = new ToolRegistry();
    const first = routed("a", { runtime: "p2p", category: "old" });
    expect(registry.register(first)).toBeUndefined();
    registry.register(routed("b"));
    expect(registry.register(routed("a", { runtime: "general" }))).toBe(first);
    expect(registry.byRuntime("p2p")).toEqual([]);
    expect(registry.byCategory("old")).toEqual([]);
    expect(named(registry.byRuntime("general"))).toEqual(["a"]);
    expect(named(registry.list())).toEqual(["a", "b"]);
  });

  it("counts its tools by runtime and category", () => {
    const registry = new ToolRegistry();
    registry.register(routed("a", { runtime: "p2p", requiresPeers: true }));
    registry.register(routed("b", { category: "constructor" }));
    expect(registry.statistics()).toEqual({
      tools: 2,
      byRuntime: { general: 0, p2p: 1, compute: 0, auto: 1 },
      byCategory: { tests: 1, constructor: 1 },
      categories: 2,
      requirePeers: 1,
    });
    expect(new ToolRegistry().statistics()).toMatchObject({ tools: 0, byCategory: {}, categories: 0 });
  });

  it("names the tools that leave something out, each with all that it does", () => {
    const registry = new ToolRegistry();
    registry.register(routed("whole"));
    registry.register(
      routed(
        "partial",
        { category: "general", runtime: "general", requiresPeers: true },
        { description: "", input: undefined },
      ),
    );
    expect(registry.incomplete()).toEqual([
      {
        tool: "partial",
        problems: [
          "it has no description",
          "nothing says what its arguments are",
          "its category is the default, general",
          "it needs peers, and its runtime is general instead of p2p",
        ],
      },
    ]);
  });
});
