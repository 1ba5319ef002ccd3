import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT, allPages, proseOf, readPage, type Page } from "./pages.ts";

const pages = allPages();
const paths = new Set(pages.map(({ path }) => path));

/** Targets within the project, as written. */
const linksOf = (page: Page): string[] =>
  [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target));

/** The names under which headings can be linked, as GitHub makes them. */
const anchorsOf = ({ text }: Page): string[] =>
  [...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(" ", "-"),
  );

/** Undefined when the link leads somewhere. */
function faultOf(page: Page, link: string): string | undefined {
  const [target = "", anchor] = link.split("#");
  const path = target === "" ? page.path : join(dirname(page.path), target);
  if (!existsSync(join(ROOT, path))) return `${link}: there is no ${path}`;
  if (anchor === undefined || statSync(join(ROOT, path)).isDirectory()) return undefined;
  return anchorsOf(readPage(path)).includes(anchor) ? undefined : `${link}: ${path} has no such heading`;
}

describe("a link between pages", () => {
  it.each(pages)("leads to a file and a heading that exist: $path", (page) => {
    expect(linksOf(page).flatMap((link) => faultOf(page, link) ?? [])).toEqual([]);
  });
});

describe("the index of the pages", () => {
  it("names every page", () => {
    const index = readPage("docs/README.md");
    const named = new Set(linksOf(index).map((link) => join("docs", link)));
    expect([...paths].filter((path) => path !== index.path && !named.has(path))).toEqual([]);
  });
});
