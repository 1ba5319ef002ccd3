/** A folder or file of this project, wherever it was cloned to. */
export const ROOT = new URL("../..", import.meta.url).pathname;

/** Tells a reader, and an editor of the file, where the text comes from. */
export const origin = (source: string): string =>
  `<!-- Made from ${source} by \`npm run docs\`; a change belongs there. -->`;

/** A Markdown table; a bar within a cell would end the cell, so it is escaped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
