import { oneLine } from "./failure.ts";

/** Cells are cut to this, so that one long id does not push everything else off the screen. */
const CELL_CHARS = 64;

/** Rows under their headings, in columns; numbers stand to the right. */
export function tableLines(headings: readonly string[], rows: readonly (readonly unknown[])[]): string[] {
  const texts = rows.map((row) => row.map(cellOf));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...texts.map((row) => row[column]?.length ?? 0)),
  );
  const isNumber = headings.map((_, column) => rows.every((row) => typeof row[column] === "number"));
  const lineOf = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return isNumber[column] && rows.length > 0 ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [lineOf(headings), ...texts.map(lineOf)];
}

/** One fact a line; what is not known is left out. */
export function factLines(facts: readonly (readonly [string, unknown])[]): string[] {
  const known = facts.filter(([, value]) => value !== null && value !== undefined && value !== "");
  const width = Math.max(0, ...known.map(([name]) => name.length));
  return known.map(([name, value]) => `${name.padEnd(width)}  ${textOf(value)}`);
}

/** "1 task", "2 tasks". */
export const counted = (count: unknown, one: string): string =>
  `${String(count)} ${one}${count === 1 ? "" : "s"}`;

/** A line of a handler's log. What has several lines, such as a stack, goes on below, indented. */
export function logLines({ time, attempt, level, message, fields }: Record<string, unknown>): string[] {
  const [first, ...more] = String(message).split(/\r?\n/);
  const facts = JSON.stringify(fields);
  const head = `${String(time)} attempt ${String(attempt)} ${String(level)}: ${String(first)}`;
  return [facts === "{}" ? head : `${head} ${facts}`, ...more.map((line) => `  ${line}`)];
}

function cellOf(value: unknown): string {
  const text = value === null || value === undefined || value === "" ? "-" : textOf(value);
  return text.length <= CELL_CHARS ? text : `${text.slice(0, CELL_CHARS - 1)}…`;
}

const textOf = (value: unknown): string =>
  oneLine(typeof value === "string" ? value : (JSON.stringify(value) ?? ""));
