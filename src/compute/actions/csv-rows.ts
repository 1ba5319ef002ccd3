import { CsvError, parse, type Options } from "csv-parse/sync";
import { fault } from "../../errors/index.ts";
import { tooManyRows, type RowsSource } from "./json-rows.ts";

export interface CsvTerms {
  readonly delimiter: string;
  /** Null: a quote is a character like any other. */
  readonly quote: string | null;
  /** The first row names the fields of all others. */
  readonly header: boolean;
}

/**
 * Rows of separated values: objects by the names of the header, or lists. All values are texts.
 *
 * @throws TEXT_INVALID also for a row with more or fewer fields than the first, and for a name that is there twice;
 *   SIZE_EXCEEDED
 */
export function csvRows(
  { text, what, maxRows }: RowsSource,
  { delimiter, quote, header }: CsvTerms,
): { readonly rows: unknown[]; readonly columns: string[] | null } {
  let columns: string[] | null = null;
  const format: Options = { delimiter, quote, skip_empty_lines: true };
  try {
    const rows = parse(text, {
      ...format,
      // One more, to tell that there are more.
      to: maxRows + 1,
      ...(header && { columns: (names: string[]) => (columns = checkedNames(names, what)) }),
    }) as unknown[];
    if (rows.length > maxRows) throw tooManyRows(what, maxRows);
    return { rows, columns };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const fieldsOfFirst = (): number => parse(text, { ...format, to: 1 })[0]?.length ?? 0;
    throw fault("TEXT_INVALID", { what, ...problemOf(error, fieldsOfFirst) }, { cause: error });
  }
}

function checkedNames(names: string[], what: string): string[] {
  for (const [index, name] of names.entries()) {
    const refuse = (why: string): never => {
      throw fault("TEXT_INVALID", { what, line: 1, column: index + 1, why });
    };
    if (names.indexOf(name) < index) refuse(`a field before it is called ${JSON.stringify(name)} too`);
    if (name === "__proto__") refuse('no field may be called "__proto__"');
  }
  return names;
}

const REASONS: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: "the text ends within quotes",
  INVALID_OPENING_QUOTE: "there is a quote within a field that does not begin with one",
  CSV_INVALID_CLOSING_QUOTE: "the field goes on behind its closing quote",
};

/** The parser tells the line, and how many fields of the row it had read. */
function problemOf(
  error: CsvError,
  fieldsOfFirst: () => number,
): { readonly line: number; readonly column: number; readonly why: string } {
  const { code, message, lines, index, record } = error;
  const line = Number(lines);
  if (!Array.isArray(record)) {
    return { line, column: Number(index) + 1, why: REASONS[code] ?? message };
  }
  const wanted = fieldsOfFirst();
  const why = `the row has ${record.length} fields, and the first one ${wanted}`;
  return { line, column: Math.min(record.length, wanted) + 1, why };
}
