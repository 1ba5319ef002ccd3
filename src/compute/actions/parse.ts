import { isUtf8 } from "node:buffer";
import { LIMITS, fault } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { readRegularFile } from "../regular-file.ts";
import type { TaskContext } from "../task-context.ts";
import { action } from "./action.ts";
import { jsonRows, ndjsonRows, type RowsSource } from "./json-rows.ts";
import { KeptPart, keptIfLarge } from "./kept-part.ts";

const { parseBytes, parseRows } = LIMITS.compute;

const common = {
  text: z.string().optional(),
  path: z.string().optional(),
  max_rows: z.int().min(1).max(parseRows).default(parseRows),
};
const header = z.boolean().default(true);

const Input = z
  .discriminatedUnion("format", [
    z.strictObject({
      format: z.literal("csv"),
      ...common,
      header,
      // What ends a row, or quotes a field, cannot part fields.
      delimiter: z
        .string()
        .regex(/^[^"\r\n]$/u)
        .default(","),
    }),
    z.strictObject({ format: z.literal("tsv"), ...common, header }),
    z.strictObject({ format: z.literal("json"), ...common }),
    z.strictObject({ format: z.literal("ndjson"), ...common }),
  ])
  .refine(({ text, path }) => (text === undefined) !== (path === undefined), {
    error: "it needs either text or path",
  });

type Input = z.output<typeof Input>;

/** Makes rows of a text, or of a file inside the allowed directories. */
export default action({
  input: Input,
  output: z.strictObject({
    rows: z.union([z.array(z.unknown()), KeptPart]),
    row_count: z.int().min(0),
    columns: z.array(z.string()).nullable(),
  }),
  async run(input, context) {
    const { what, text } = await textOf(input, context);
    const { rows, columns } = await rowsOf(input, { what, text, maxRows: input.max_rows });
    return { rows: await keptIfLarge(rows, text.length, context), row_count: rows.length, columns };
  },
});

async function textOf(
  { text, path = "" }: Input,
  context: TaskContext,
): Promise<{ readonly what: string; readonly text: string }> {
  if (text !== undefined) {
    if (Buffer.byteLength(text) > parseBytes) {
      throw fault("SIZE_EXCEEDED", { what: "the text", limit: parseBytes, unit: "bytes" });
    }
    return { what: "the text", text: withoutMark(text) };
  }
  const real = context.path(path);
  const bytes = await readRegularFile(real, parseBytes, context.checkpoint);
  if (!isUtf8(bytes)) throw fault("FILE_UNREADABLE", { path: real, why: "it is no UTF-8 text" });
  return { what: real, text: withoutMark(bytes.toString()) };
}

/** Some programs put a byte order mark in front, which is no part of the first value. */
const withoutMark = (text: string): string => (text.startsWith("\uFEFF") ? text.slice(1) : text);

async function rowsOf(
  input: Input,
  source: RowsSource,
): Promise<{ readonly rows: unknown[]; readonly columns: string[] | null }> {
  if (input.format === "json") return { rows: jsonRows(source), columns: null };
  if (input.format === "ndjson") return { rows: ndjsonRows(source), columns: null };
  const { csvRows } = await import("./csv-rows.ts");
  const { header } = input;
  // A tab cannot stand in a field of TSV, so nothing has to be quoted there.
  return input.format === "csv"
    ? csvRows(source, { header, delimiter: input.delimiter, quote: '"' })
    : csvRows(source, { header, delimiter: "\t", quote: null });
}
