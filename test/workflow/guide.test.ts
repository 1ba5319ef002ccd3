import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

import { checkDefinition } from "../../src/workflow/definition.ts";
import { instantiate, parseTemplate } from "../../src/workflow/template.ts";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

it("the template in the guide can be used as it stands", () => {
  const [, json = ""] = /```json\n(.*?)```/s.exec(read("docs/guide/workflows.md")) ?? [];
  const definition = instantiate(parseTemplate(json, "workflows.md"), { file: "prices.csv" }, "guide");
  const actions = new Set(["load_table", "sum_column", "echo"]);
  expect(checkDefinition(definition, { actions }).ok).toBe(true);
  expect(definition.steps[0]).toMatchObject({ inputs: { file: "prices.csv", limit: 100 }, attempts: 3 });
  expect(definition.steps[2]?.inputs).toEqual({ text: "prices.csv: ${{ steps.sum.output.total }} in all" });
});
