import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

/**
 * Where the local socket of a data directory's owner is.
 *
 *     <data>/owner.sock                            mode 600
 *     <data>/owner.json   {"socket":"<path>"}      only where that would be too long for a socket: the path of one in a
 *                                                  directory of mode 700 among the temporary files
 *
 * Both are hints: who owns a directory is told by the lock of its stores alone. Whoever has that lock may replace them.
 */

const SOCKET = "owner.sock";
const NOTE = "owner.json";
/** A socket is made in a directory of its own, which nobody else may enter, and takes its place when its mode is right. */
const NEW = "s-";
const NEW_NAME = /^s-[A-Za-z0-9]{6}$/;
const PRIVATE = "mcplusplus-";
const PRIVATE_NAME = /^mcplusplus-[A-Za-z0-9]{6}$/;

/** Bytes of a path that a socket address takes on Linux (108 with its end) and macOS (104). @see unix(7) */
const PATH_BYTES_MAX = process.platform === "linux" ? 107 : 103;

/** Where a socket would be found; undefined: there is none. */
export function socketOf(data: string): string | undefined {
  const path = join(data, SOCKET);
  return isShort(path) ? path : noted(data);
}

/** A place for a socket of whoever has the lock of this directory. */
export interface SocketPlace {
  /** To listen at. */
  readonly listenAt: string;
  /** To be called as soon as somebody listens: now others find it. */
  publish(): void;
  remove(): void;
}

/** What a dead owner has left is removed. */
export function takePlace(data: string): SocketPlace {
  clearStale(data);
  const path = join(data, SOCKET);
  return isShort(path) ? placeWithin(data, path) : placeApart(data);
}

function placeWithin(data: string, path: string): SocketPlace {
  const directory = mkdtempSync(join(data, NEW));
  const listenAt = join(directory, "s");
  return {
    listenAt,
    publish() {
      chmodSync(listenAt, 0o600);
      renameSync(listenAt, path);
      rmdirSync(directory);
    },
    remove() {
      removeSocket(listenAt);
      rmSync(path, { force: true });
    },
  };
}

function placeApart(data: string): SocketPlace {
  const listenAt = join(mkdtempSync(join(tmpdir(), PRIVATE)), SOCKET);
  return {
    listenAt,
    publish() {
      chmodSync(listenAt, 0o600);
      const note = join(data, NOTE);
      writeFileSync(`${note}.new`, `${JSON.stringify({ socket: listenAt })}\n`, { mode: 0o600 });
      renameSync(`${note}.new`, note);
    },
    remove() {
      rmSync(join(data, NOTE), { force: true });
      removeSocket(listenAt);
    },
  };
}

function clearStale(data: string): void {
  const left = noted(data);
  if (left !== undefined && PRIVATE_NAME.test(basename(dirname(left)))) removeSocket(left);
  rmSync(join(data, NOTE), { force: true });
  for (const name of readdirSync(data)) if (NEW_NAME.test(name)) removeSocket(join(data, name, "s"));
}

/** With the directory that was made for it, if nothing else is in there. */
function removeSocket(path: string): void {
  try {
    rmSync(path, { force: true });
    rmdirSync(dirname(path));
  } catch {
    // Somebody else's, or gone: it is in nobody's way.
  }
}

/** Whatever a note says that is none leads nowhere. */
function noted(data: string): string | undefined {
  try {
    const note: unknown = JSON.parse(readFileSync(join(data, NOTE), "utf8"));
    const socket = typeof note === "object" && note !== null && "socket" in note ? note.socket : undefined;
    return typeof socket === "string" && basename(socket) === SOCKET ? socket : undefined;
  } catch {
    return undefined;
  }
}

const isShort = (path: string): boolean => Buffer.byteLength(path) <= PATH_BYTES_MAX;
