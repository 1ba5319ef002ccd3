import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { System } from "../../src/system/index.ts";
import { callTool } from "../../src/tools/index.ts";
import { openInline } from "../kit/inline-system.ts";
import { callOf, toolNamed } from "./kit/call.ts";

let system: System;

beforeAll(async () => {
  system = await openInline({ data: null, threads: 1 });
});
afterAll(() => system.close());
beforeEach(async () => {
  await system.cache.clear();
  for (const [key, tags] of [
    ["a:1", ["x"]],
    ["a:2", ["x", "y"]],
    ["b:1", ["y"]],
    ["null", []],
  ] as const)
    await system.cache.put(key, key === "null" ? null : { key }, { ttlMs: 60_000, tags });
});

const call = (name: string, args: unknown) => callOf(name, args, async () => system);
const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;

it("cache_get gives a value with its times, and tells a stored null from nothing", async () => {
  expect(await call("cache_get", { key: "a:1" })).toEqual({
    success: true,
    key: "a:1",
    found: true,
    value: { key: "a:1" },
    stored_time: ISO,
    expires_time: ISO,
  });
  expect(await call("cache_get", { key: "null" })).toMatchObject({ found: true, value: null });
  expect(await call("cache_get", { key: "nothing" })).toMatchObject({
    success: true,
    found: false,
    value: null,
    stored_time: null,
  });
});

it.each([
  [{ key: "a:1" }, 1],
  [{ key: "nothing" }, 0],
  [{ tags: ["y"] }, 2],
  [{ tags: ["x", "y"] }, 3],
  [{ pattern: "a:?" }, 2],
  [{ pattern: "*" }, 4],
])("cache_invalidate %j removes %i", async (selection, removed) => {
  expect(await call("cache_invalidate", selection)).toEqual({ success: true, removed_count: removed });
  expect(await call("cache_stats", {})).toMatchObject({ entries: 4 - removed });
});

it.each([[{}], [{ key: "a", pattern: "b" }], [{ key: "a", tags: ["b"] }]])(
  "cache_invalidate refuses %j: it cannot know what is meant",
  async (selection) => {
    const answer = await call("cache_invalidate", selection);
    expect(answer).toMatchObject({ success: false, code: "INPUT_INVALID" });
    expect(answer["error"]).toContain("exactly one of key, tags and pattern is needed");
  },
);

it("cache_clear removes everything once it is confirmed, and opens nothing before", async () => {
  const open = (): Promise<never> => Promise.reject(new Error("opened"));
  const { signal } = new AbortController();
  const refused = await callTool(toolNamed("cache_clear"), {}, { open, signal });
  expect(refused).toMatchObject({ success: false, code: "CONFIRMATION_REQUIRED" });
  expect(refused["error"]).toContain("confirm: true");
  expect(await call("cache_clear", { confirm: true })).toEqual({ success: true, removed_count: 4 });
  expect(await call("cache_stats", {})).toMatchObject({ entries: 0, size_bytes: 0 });
});

it("cache_stats counts hits, misses and why results left", async () => {
  const before = await call("cache_stats", {});
  await call("cache_get", { key: "nothing" });
  await call("cache_get", { key: "a:1" });
  await call("cache_invalidate", { key: "a:1" });
  const after = await call("cache_stats", {});
  const grown = (name: string): number => Number(after[name]) - Number(before[name]);
  expect([grown("hits"), grown("misses"), grown("invalidated"), grown("entries")]).toEqual([1, 1, 1, -1]);
  expect(after).toMatchObject({ policy: "lru", durability: "memory", success: true });
});
