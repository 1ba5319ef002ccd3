import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createRegistry } from "../../src/compute/registry.ts";
import { moduleUrl } from "./attempt-kit.ts";

const none = (): void => {};

describe("the registry of handlers", () => {
  it("finds built-in handlers without importing any module", async () => {
    const imported: number[] = [];
    const registry = createRegistry([moduleUrl("throws")]);
    expect(await registry.find("echo", (index) => imported.push(index))).toMatchObject({ timeoutMs: null });
    expect(imported).toEqual([]);
  });

  it("describes every handler with its module and the hash of that module's file", async () => {
    const module = moduleUrl("small");
    const moduleSha256 = createHash("sha256")
      .update(readFileSync(fileURLToPath(module)))
      .digest("hex");
    const handlers = await createRegistry([module]).describe(none);
    expect(handlers.map(({ name }) => name)).toEqual(["echo", "sleep", "fail", "double"]);
    expect(handlers[0]).toMatchObject({ module: "built-in", moduleSha256: null, timeoutMs: null });
    expect(handlers[3]).toEqual({
      name: "double",
      isolation: "thread",
      description: "Doubles.",
      module,
      timeoutMs: 2_000,
      moduleSha256,
    });
  });

  it("imports each module once and announces it by its index", async () => {
    const imported: number[] = [];
    const registry = createRegistry([moduleUrl("small"), moduleUrl("answers")]);
    await registry.find("double", (index) => imported.push(index));
    await registry.find("count", (index) => imported.push(index));
    expect(imported).toEqual([0, 1]);
  });

  it("lists what there is when an action is unknown", async () => {
    await expect(createRegistry([moduleUrl("small")]).find("treble", none)).rejects.toMatchObject({
      code: "UNKNOWN_ACTION",
      details: { action: "treble", known: ["double", "echo", "fail", "sleep"] },
    });
  });

  it.each([
    ["throws at import", ["throws"], "SyntaxError: half a module"],
    ["throws something indescribable", ["throws-nothing"], "something without a description was thrown"],
    ["exports no handlers", ["empty"], "it exports nothing that defineTasks returned"],
    ["defines a name twice", ["twice"], 'it defines "same" twice'],
    ["takes a built-in name", ["shadow"], 'its handler "echo" is already defined by a built-in handler'],
    [
      "takes another module's name",
      ["small", "rival"],
      `its handler "double" is already defined by ${moduleUrl("small")}`,
    ],
    ["does not exist", ["absent"], expect.stringContaining("ENOENT") as string],
  ])("refuses a module that %s, and goes on refusing", async (_what, names, why) => {
    const modules = names.map(moduleUrl);
    const registry = createRegistry(modules);
    const refusal = { code: "MODULE_INVALID", details: { module: modules.at(-1), why } };
    await expect(registry.describe(none)).rejects.toMatchObject(refusal);
    await expect(registry.find("double", none)).rejects.toMatchObject(refusal);
  });

  it("refuses a module that is no file", async () => {
    await expect(createRegistry(["https://example.org/x.js"]).describe(none)).rejects.toMatchObject({
      code: "MODULE_INVALID",
    });
  });
});
