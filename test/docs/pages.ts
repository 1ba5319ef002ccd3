import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT = new URL("../..", import.meta.url).pathname;

/** A page for people: the README and every Markdown file under docs. */
export interface Page {
  /** From the root of the project. */
  readonly path: string;
  readonly text: string;
}

export interface CodeBlock {
  readonly path: string;
  /** What stands after the opening fence. */
  readonly info: string;
  readonly code: string;
}

const FENCED = /^```([^\n]*)\n(.*?)^```$/gms;

export const readPage = (path: string): Page => ({ path, text: readFileSync(join(ROOT, path), "utf8") });

export function allPages(): Page[] {
  const docs = readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" });
  const paths = docs.filter((name) => name.endsWith(".md")).map((name) => join("docs", name));
  return ["README.md", ...paths.toSorted()].map(readPage);
}

export function codeBlocks({ path, text }: Page): CodeBlock[] {
  return [...text.matchAll(FENCED)].map(([, info = "", code = ""]) => ({ path, info, code }));
}

/** The text that is read as Markdown: without code, in which brackets mean something else. */
export const proseOf = ({ text }: Page): string => text.replace(FENCED, "").replace(/`[^`\n]*`/g, "code");
