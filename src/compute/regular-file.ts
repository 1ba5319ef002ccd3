import { constants, type Stats } from "node:fs";
import { lstat, open, type FileHandle } from "node:fs/promises";
import { fault, isFault, sentenceOf } from "../errors/index.ts";

/** What is no file in the plain sense: to read it may never end, to replace it may break the machine. */
export function irregularKind(stats: Stats): string | null {
  if (stats.isFile()) return null;
  if (stats.isDirectory()) return "a directory";
  if (stats.isFIFO()) return "a pipe";
  if (stats.isSocket()) return "a socket";
  return stats.isSymbolicLink() ? "a symbolic link" : "a device";
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EACCES: "permission is denied",
};

/**
 * The content of a file that is one: no directory, pipe, device or link.
 *
 * @param path as `allowedPath` returns it
 * @throws FILE_UNREADABLE, SIZE_EXCEEDED; whatever `checkpoint` throws, which is called between pieces
 */
export async function readRegularFile(
  path: string,
  limitBytes: number,
  checkpoint: () => void,
): Promise<Buffer> {
  const unreadable = (why: string, cause?: unknown): Error =>
    fault("FILE_UNREADABLE", { path, why }, cause === undefined ? {} : { cause });
  const mustBeRegular = (stats: Stats): void => {
    const kind = irregularKind(stats);
    if (kind !== null) throw unreadable(`it is ${kind}`);
  };
  try {
    // Before it is opened: that alone can do something to a device.
    mustBeRegular(await lstat(path));
    // Another may have taken its place since: then it is not followed, and not waited for.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = await file.stat();
      mustBeRegular(stats);
      return await readUpTo(file, { path, sizeBytes: stats.size, limitBytes, checkpoint });
    } finally {
      await file.close();
    }
  } catch (error) {
    checkpoint();
    if (isFault(error)) throw error;
    throw unreadable(REASONS[(error as NodeJS.ErrnoException).code ?? ""] ?? sentenceOf(error), error);
  }
}

const PIECE_BYTES = 1_048_576;
const PIECE_BYTES_MIN = 4_096;

/** What it holds, not what it says it holds: it may be growing, and some files of the system claim to be empty. */
async function readUpTo(
  file: FileHandle,
  terms: {
    readonly path: string;
    readonly sizeBytes: number;
    readonly limitBytes: number;
    readonly checkpoint: () => void;
  },
): Promise<Buffer> {
  const { path, sizeBytes, limitBytes, checkpoint } = terms;
  const tooLarge = (): Error => fault("SIZE_EXCEEDED", { what: path, limit: limitBytes, unit: "bytes" });
  if (sizeBytes > limitBytes) throw tooLarge();
  const pieces: Buffer[] = [];
  let readBytes = 0;
  for (;;) {
    checkpoint();
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Math.max(PIECE_BYTES_MIN, sizeBytes + 1)));
    const { bytesRead } = await file.read(piece, 0, piece.byteLength);
    if (bytesRead === 0) return Buffer.concat(pieces, readBytes);
    readBytes += bytesRead;
    if (readBytes > limitBytes) throw tooLarge();
    pieces.push(piece.subarray(0, bytesRead));
  }
}
