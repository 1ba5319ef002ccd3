import { open } from "node:fs/promises";
import { LIMITS, fault, isFault, sentenceOf } from "../errors/index.ts";
import { check } from "../schema/zod-schema.ts";
import { EXPORT_FORMAT, EXPORT_VERSION, headShape, lineFrom, type ExportLine } from "./export-format.ts";
import { throwIfWithdrawn, type Withdrawal } from "./whole-directory.ts";

export interface NumberedLine {
  /** From 1. */
  readonly number: number;
  readonly line: ExportLine;
}

/**
 * The lines of an export file after its head, each checked by itself, and that none are missing at the end.
 *
 * @throws FILE_UNREADABLE, EXPORT_INVALID naming the line, STORE_NEWER, CANCELLED
 */
export async function* readExport(path: string, withdrawal: Withdrawal): AsyncGenerator<NumberedLine> {
  const counts = { task: 0, run: 0, blob: 0 };
  let number = 0;
  let ended = false;
  for await (const text of linesOf(path, withdrawal)) {
    number += 1;
    const line = inLine(path, number, () => {
      if (ended) throw new Error("it stands after the end");
      const value: unknown = JSON.parse(text);
      if (number === 1) return assertHead(path, value);
      return lineFrom(value);
    });
    if (line === undefined) continue;
    if (line.kind === "end") {
      ended = true;
      const { tasks, runs, blobs } = line;
      if (tasks === counts.task && runs === counts.run && blobs === counts.blob) continue;
      const said = `${tasks} tasks, ${runs} runs and ${blobs} large values`;
      const found = `${counts.task}, ${counts.run} and ${counts.blob}`;
      throw fault("EXPORT_INVALID", {
        path,
        line: number,
        why: `it tells of ${said}, and before it stand ${found}`,
      });
    }
    if (line.kind !== "blob" || line.at === 0) counts[line.kind] += 1;
    yield { number, line };
  }
  if (!ended)
    throw fault("EXPORT_INVALID", { path, line: number + 1, why: "it is missing: the file was cut" });
}

/** Whatever is wrong with a line is told with its number. */
export function inLine<T>(path: string, line: number, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw ofLine(path, line, error);
  }
}

export function ofLine(path: string, line: number, error: unknown): unknown {
  if (isFault(error, "EXPORT_INVALID") || isFault(error, "STORE_NEWER") || isFault(error, "CANCELLED"))
    return error;
  const why = error instanceof SyntaxError ? `it is no JSON: ${error.message}` : sentenceOf(error);
  return fault("EXPORT_INVALID", { path, line, why }, { cause: error });
}

function assertHead(path: string, value: unknown): undefined {
  const { format, version } = (value ?? {}) as { format?: unknown; version?: unknown };
  if (format !== EXPORT_FORMAT) throw new Error("it is not the head of an export of mcplusplus");
  // Before its shape is checked: that of a newer version may be another.
  if (typeof version === "number" && version > EXPORT_VERSION) {
    throw fault("STORE_NEWER", { path, version, supported: EXPORT_VERSION });
  }
  const { problems } = check(headShape, value);
  if (problems) throw new Error(problems.join("; "));
}

const NEWLINE = 10;
const PIECE_BYTES = 262_144;

/** Lines as text, without their ends. The last one may have none. */
async function* linesOf(path: string, withdrawal: Withdrawal): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let number = 0;
  let pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  const finish = (): string => {
    const bytes = Buffer.concat(pieces);
    pieces = [];
    sizeBytes = 0;
    number += 1;
    return inLine(path, number, () => decoder.decode(bytes));
  };
  for await (const chunk of chunksOf(path)) {
    throwIfWithdrawn(withdrawal);
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      pieces.push(chunk.subarray(from, at));
      from = at + 1;
      yield finish();
    }
    pieces.push(chunk.subarray(from));
    sizeBytes += chunk.length - from;
    const { lineBytes } = LIMITS.transfer;
    if (sizeBytes > lineBytes) {
      const why = `it has more than ${lineBytes} bytes`;
      throw fault("EXPORT_INVALID", { path, line: number + 1, why });
    }
  }
  if (sizeBytes > 0) yield finish();
}

async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  try {
    await using file = await open(path, "r");
    for (;;) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(PIECE_BYTES), 0, PIECE_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    if (isFault(error)) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === "ENOENT"
        ? "there is no such file"
        : code === "EISDIR"
          ? "it is a directory"
          : sentenceOf(error);
    throw fault("FILE_UNREADABLE", { path, why }, { cause: error });
  }
}
