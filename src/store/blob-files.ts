import { open, readFile, readdir, rename, stat, utimes, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { fault, sentenceOf } from "../errors/index.ts";
import { hasErrno, writeFault } from "./store-fault.ts";

/** Where unfinished values are. */
export const TEMPORARY = "tmp";
const FAN_OUT = /^[0-9a-f]{2}$/;
const REST = /^[0-9a-f]{62}$/;
/** A value that a collection has put aside: its own name, and one that no other collection gives. */
const ASIDE = /^([0-9a-f]{62})\.[0-9a-f-]{36}$/;

export interface BlobFile {
  readonly sha256: string;
  readonly path: string;
  /** It was put aside, and whoever did so may have died since: its name is not `path`. */
  readonly aside: boolean;
}

/** Every value, folder by folder, in no order; what is not ours is passed over. @throws FILE_UNREADABLE */
export async function* blobFilesIn(directory: string): AsyncGenerator<BlobFile> {
  for (const folder of await namesIn(directory)) {
    if (!FAN_OUT.test(folder)) continue;
    for (const name of await namesIn(join(directory, folder))) {
      const path = join(directory, folder, name);
      if (REST.test(name)) yield { sha256: folder + name, path, aside: false };
      const rest = ASIDE.exec(name)?.[1];
      if (rest !== undefined) yield { sha256: folder + rest, path, aside: true };
    }
  }
}

/** Does something that fails where there is no file of that name; false then. */
export async function ifThere(done: Promise<unknown>): Promise<boolean> {
  try {
    await done;
    return true;
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return false;
    throw error;
  }
}

export const setAge = (path: string, wallMs: number): Promise<boolean> =>
  ifThere(utimes(path, wallMs / 1_000, wallMs / 1_000));

/**
 * Gives a value that was put aside its name back, as young as one that was just put: it may take the place of one that
 * is, and must not make that look old.
 *
 * @throws STORE_FULL, STORE_FAILED
 */
export async function putBack(aside: string, path: string, wallMs: number): Promise<void> {
  try {
    // Gone: whoever put it aside is alive after all, and has decided.
    if (await setAge(aside, wallMs)) await ifThere(rename(aside, path));
  } catch (error) {
    throw writeFault(path, error);
  }
}

/** @throws FILE_UNREADABLE */
export function readIfThere(path: string): Promise<Buffer | undefined> {
  return readable(path, readFile(path));
}

/** @throws FILE_UNREADABLE */
export function statIfThere(path: string): Promise<{ size: number; mtimeMs: number } | undefined> {
  return readable(path, stat(path));
}

/** Of no directory: none. @throws FILE_UNREADABLE */
export async function namesIn(path: string): Promise<readonly string[]> {
  return (await readable(path, readdir(path))) ?? [];
}

/** @throws FILE_UNREADABLE */
export function openIfThere(path: string): Promise<FileHandle | undefined> {
  return readable(path, open(path, "r"));
}

/** From its start to its end; then it is closed. */
export async function* piecesOf(file: FileHandle, pieceBytes: number): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      // One of its own for each piece: whoever takes it may keep it.
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(pieceBytes), 0, pieceBytes, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** From `offset` on, at most `length` bytes; then it is closed. */
export async function partOf(
  file: FileHandle,
  offset: number,
  length: number,
): Promise<{ bytes: Uint8Array; sizeBytes: number }> {
  try {
    const { size } = await file.stat();
    const wanted = Math.max(0, Math.min(length, size - offset));
    const buffer = Buffer.allocUnsafeSlow(wanted);
    let read = 0;
    while (read < wanted) {
      const { bytesRead } = await file.read(buffer, read, wanted - read, offset + read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    return { bytes: new Uint8Array(buffer.buffer, 0, read), sizeBytes: size };
  } finally {
    await file.close();
  }
}

async function readable<T>(path: string, reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw fault("FILE_UNREADABLE", { path, why: sentenceOf(error) }, { cause: error });
  }
}
