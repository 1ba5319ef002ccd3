import { fault, isFault, sentenceOf, type Fault } from "../errors/index.ts";

/** Primary result codes. @see https://www.sqlite.org/rescode.html */
const SQLITE = { OK: 0, BUSY: 5, LOCKED: 6, IOERR: 10, CORRUPT: 11, FULL: 13, NOTADB: 26 } as const;

/** The primary result code of what node:sqlite threw; undefined for an error that is not SQLite's. */
function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number")
    return undefined;
  // The upper bytes say more, but never something that a caller could act on differently.
  return error.errcode & 0xff;
}

/** What Node throws when SQLite would have its caller come again. */
export function saysNoError(error: unknown): boolean {
  return primaryCode(error) === SQLITE.OK;
}

export function isSqliteError(error: unknown): boolean {
  return primaryCode(error) !== undefined;
}

/** Is the file locked by another connection? */
export function isLocked(error: unknown): boolean {
  const code = primaryCode(error);
  return code === SQLITE.BUSY || code === SQLITE.LOCKED;
}

/** What the callers of a batch that failed are told, and whoever could not open the store. */
export function writeFault(path: string, error: unknown): Fault {
  const code = primaryCode(error);
  if (code === SQLITE.FULL || hasErrno(error, "ENOSPC") || hasErrno(error, "EDQUOT")) {
    return fault("STORE_FULL", { path }, { cause: error });
  }
  if (code === SQLITE.CORRUPT || code === SQLITE.NOTADB) return corrupt(path, error);
  if (isFault(error, "STORE_FAILED") || isFault(error, "STORE_CORRUPT")) return error;
  return fault("STORE_FAILED", { path, why: sentenceOf(error) }, { cause: error });
}

/** What a reader is told; an error that is not the file's is the reader's own and passes as it is. */
export function readFault(path: string, error: unknown): unknown {
  const code = primaryCode(error);
  // Numbers that we write fit.
  const isForeign = hasErrno(error, "ERR_OUT_OF_RANGE");
  const isDamaged = code === SQLITE.CORRUPT || code === SQLITE.NOTADB || isFault(error, "VALUE_CORRUPT");
  if (isDamaged || isForeign) return corrupt(path, error);
  if (code === SQLITE.IOERR)
    return fault("FILE_UNREADABLE", { path, why: sentenceOf(error) }, { cause: error });
  return error;
}

export function hasErrno(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

const corrupt = (path: string, error: unknown): Fault =>
  fault("STORE_CORRUPT", { path, why: sentenceOf(error) }, { cause: error });
