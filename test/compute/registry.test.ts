import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { BUILT_IN_ACTIONS } from "../../src/compute/built-in.protocol.ts";
import { createRegistry } from "../../src/compute/registry.ts";
import { moduleUrl } from "./attempt-kit.ts";

const SERVICES = { allowedHosts: [] };
const none = (): void => {};

describe("the registry of handlers", () => {
  it("finds built-in handlers without importing any module", async () => {
    const imported: number[] = [];
    const registry = createRegistry([moduleUrl("throws")], SERVICES);
    expect(await registry.find("echo", (index) => imported.push(index))).toMatchObject({ timeoutMs: null });
    expect(imported).toEqual([]);
  });

  it("describes every handler with its module and the hash of that module's file", async () => {
    const module = moduleUrl("small");
    const moduleSha256 = createHash("sha256")
      .update(readFileSync(fileURLToPath(module)))
      .digest("hex");
    const handlers = await createRegistry([module], SERVICES).describe(none);
    const names = handlers.map(({ name }) => name);
    expect(names.slice(0, -1).toSorted()).toEqual(BUILT_IN_ACTIONS);
    expect(handlers[0]).toMatchObject({ module: "built-in", moduleSha256: null, timeoutMs: null });
    expect(handlers.at(-1)).toEqual({
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
    const registry = createRegistry([moduleUrl("small"), moduleUrl("answers")], SERVICES);
    await registry.find("double", (index) => imported.push(index));
    await registry.find("count", (index) => imported.push(index));
    expect(imported).toEqual([0, 1]);
  });

  it("lists what there is when an action is unknown", async () => {
    await expect(createRegistry([moduleUrl("small")], SERVICES).find("treble", none)).rejects.toMatchObject({
      code: "UNKNOWN_ACTION",
      details: { action: "treble", known: ["double", ...BUILT_IN_ACTIONS].toSorted() },
    });
  });

  it.each([
    ["throws at import", ["throws"], "SyntaxError: half a module"],
    ["throws something indescribable", ["throws-nothing"], "something that has no text"],
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
    const registry = createRegistry(modules, SERVICES);
    const refusal = { code: "MODULE_INVALID", details: { module: modules.at(-1), why } };
    await expect(registry.describe(none)).rejects.toMatchObject(refusal);
    await expect(registry.find("double", none)).rejects.toMatchObject(refusal);
  });

  it("refuses a module that is no file", async () => {
    await expect(createRegistry(["https://example.org/x.js"], SERVICES).describe(none)).rejects.toMatchObject(
      {
        code: "MODULE_INVALID",
      },
    );
  });
});
