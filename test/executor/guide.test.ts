import { readdir, readFile } from "node:fs/promises";
import { expect, it } from "vitest";

it("the guide to the executor states laws that are all titles of tests", async () => {
  const guide = await readFile(new URL("../../docs/guide/executor.md", import.meta.url), "utf8");
  const laws = [...guide.matchAll(/^\d+\. (.+)$/gm)].map(([, law = ""]) => law);
  const here = new URL(".", import.meta.url);
  const files = (await readdir(here)).filter((name) => name.endsWith(".test.ts"));
  const tests = (await Promise.all(files.map((name) => readFile(new URL(name, here), "utf8")))).join("\n");
  expect(laws).toHaveLength(15);
  expect(laws.filter((law) => !tests.includes(`it("${law}"`))).toEqual([]);
});
