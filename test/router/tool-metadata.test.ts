import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { toolMetadata, type ToolMetadataInput } from "../../src/router/index.ts";

describe("the metadata of a tool", () => {
  it("have a default for everything that is left out, and cannot be changed", () => {
    const metadata = toolMetadata("t");
    expect(metadata).toEqual({
      category: "general",
      runtime: "auto",
      priority: 5,
      timeoutMs: 30_000,
      retryPolicy: "none",
      idempotent: false,
      requiresPeers: false,
      ioIntensive: false,
      cpuIntensive: false,
      memoryIntensive: false,
    });
    expect(Object.isFrozen(metadata)).toBe(true);
  });

  it.each([
    ["fastapi", "general"],
    ["trio", "p2p"],
    ["general", "general"],
    ["p2p", "p2p"],
    ["compute", "compute"],
    ["auto", "auto"],
  ] as const)("take the runtime %s for %s", (runtime, meant) => {
    expect(toolMetadata("t", { runtime }).runtime).toBe(meant);
  });

  it.each([
    [{ priority: 0, timeoutMs: 1 }],
    [{ priority: 10, timeoutMs: LIMITS.router.timeoutMsMax }],
    [{ retryPolicy: "linear" }],
    [{ retryPolicy: "exponential" }],
  ] as const)("may be %j", (given) => {
    expect(toolMetadata("t", given)).toMatchObject(given);
  });

  const wrong: [unknown, string][] = [
    [{ priority: 11 }, 'metadata.priority of the tool "t" is 11; allowed is an integer from 0 to 10'],
    [{ priority: -1 }, "allowed is an integer from 0 to 10"],
    [{ priority: 1.5 }, "allowed is an integer from 0 to 10"],
    [{ timeoutMs: 0 }, "allowed is an integer from 1 to 3600000"],
    [{ timeoutMs: 3_600_001 }, "allowed is an integer from 1 to 3600000"],
    [{ timeoutMs: Infinity }, "allowed is an integer from 1 to 3600000"],
    [{ retryPolicy: "custom" }, '"custom"; allowed is one of none, linear, exponential'],
    [{ runtime: "thread" }, '"thread"; allowed is one of general, p2p, compute, auto'],
    [{ runtime: "toString" }, "allowed is one of general, p2p, compute, auto"],
    [{ runtime: null }, "allowed is one of general, p2p, compute, auto"],
    [{ category: "" }, "metadata.category"],
    [{ cpuIntensive: 1 }, "metadata.cpuIntensive"],
    [{ idempotent: "yes" }, "allowed is true or false"],
    [{ cost: 1 }, "cost is no option; allowed is one of category, runtime"],
    ["p2p", "allowed is an object"],
  ];
  it.each(wrong)("that say %j are refused", (given, sentence) => {
    expect(() => toolMetadata("t", given as ToolMetadataInput)).toThrow(sentence);
  });
});
