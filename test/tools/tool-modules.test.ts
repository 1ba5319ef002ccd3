import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadTools } from "../../src/tools/index.ts";

const MODULES = join(import.meta.dirname, "modules");
const at = (name: string): string => join(MODULES, `${name}.tools.ts`);

describe("the modules of the user's own tools", () => {
  it("give what they export, alone or in lists, each once, with the file that it comes from", async () => {
    const tools = await loadTools([at("sums")]);
    expect(tools.map(({ name, module }) => [name, module])).toEqual([
      ["add", at("sums")],
      ["count", at("sums")],
    ]);
  });

  it("give nothing where there are none", async () => {
    expect(await loadTools([])).toEqual([]);
  });

  it.each([
    ["absent", "there is no such file"],
    ["throws", "it does not want to"],
    ["nothing", "it exports nothing that defineTool returned"],
    ["shadow", 'its tool "task_list" is already defined by the package'],
  ])("are refused: %s", async (name, why) => {
    await expect(loadTools([at(name)])).rejects.toMatchObject({
      code: "MODULE_INVALID",
      message: expect.stringContaining(`the module ${at(name)} cannot be used: ${why}`) as string,
    });
  });

  it("are refused when two of them have a tool of one name", async () => {
    await expect(loadTools([at("sums"), at("sums")])).rejects.toMatchObject({
      code: "MODULE_INVALID",
      message: expect.stringContaining(`its tool "add" is already defined by ${at("sums")}`) as string,
    });
  });
});
