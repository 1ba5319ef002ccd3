import { fault, type Fault } from "../../errors/index.ts";
import { placeOf } from "../../schema/index.ts";
import { jsonErrorOffset } from "./json-error.ts";

/** What rows are read from, and how many there may be. */
export interface RowsSource {
  readonly text: string;
  /** Names the text in errors. */
  readonly what: string;
  readonly maxRows: number;
}

/** A JSON list is its rows. @throws TEXT_INVALID, SIZE_EXCEEDED */
export function jsonRows({ text, what, maxRows }: RowsSource): unknown[] {
  const value = parsed(text, what, 1);
  if (!Array.isArray(value)) {
    throw fault("TEXT_INVALID", { what, line: 1, column: 1, why: "it is no list, and rows are wanted" });
  }
  if (value.length > maxRows) throw tooManyRows(what, maxRows);
  return value;
}

/** One JSON value a line; empty lines are left out. @throws TEXT_INVALID, SIZE_EXCEEDED */
export function ndjsonRows({ text, what, maxRows }: RowsSource): unknown[] {
  const rows: unknown[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    if (rows.length === maxRows) throw tooManyRows(what, maxRows);
    rows.push(parsed(line, what, index + 1));
  }
  return rows;
}

export const tooManyRows = (what: string, limit: number): Fault =>
  fault("SIZE_EXCEEDED", { what, limit, unit: "rows" });

function parsed(text: string, what: string, firstLine: number): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const offset = jsonErrorOffset(text) ?? text.length;
    const found = text[offset];
    const why = found === undefined ? "it ends too early" : `${JSON.stringify(found)} cannot stand here`;
    const { line, column } = placeOf(text, offset);
    throw fault("TEXT_INVALID", { what, line: line + firstLine - 1, column, why }, { cause: error });
  }
}
