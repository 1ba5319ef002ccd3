import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { link, lstat, open, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { LIMITS } from "../../errors/index.ts";
import { withScope, type Clock } from "../../scope/index.ts";
import { createDirectory } from "../../store/create-directory.ts";

/** A lock that nobody has touched for so long, by the clock of whoever waits for it, belongs to a process that has died. */
export const LOCK_STALE_MS = 5_000;
const LOCK_LOOK_MS = 20;
/** A holder that lost its lock has done nothing, and begins anew. */
const TRIES = 5;
const TEMPORARY_AGE_MS = 3_600_000;

/**
 * A small file that several processes read and replace. Whoever replaces it holds a lock from the reading on, so that no change
 * of another is lost; who only reads sees the old content or the new.
 *
 * The lock is a second file that only one process can create, which works on shared file systems too, where the locks of the
 * operating system may not.
 */
export class SharedFile {
  readonly #path: string;
  readonly #clock: Clock;

  /** @param path absolute */
  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  /** Its text; "" when there is no file. @throws an Error that says what is wrong with it */
  async read(): Promise<string> {
    const { fileBytes } = LIMITS.discovery;
    const found = await this.#stats();
    if (found === undefined) return "";
    // Another may have taken its place since: then it is not followed, and not waited for.
    const file = await open(this.#path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = await file.stat();
      if (!stats.isFile()) throw new Error("it is no file");
      if (stats.size > fileBytes) throw new Error(`it has more than ${fileBytes} bytes`);
      const bytes = Buffer.alloc(fileBytes + 1);
      let length = 0;
      for (;;) {
        const { bytesRead } = await file.read(bytes, length, bytes.length - length);
        if (bytesRead === 0) return bytes.toString("utf8", 0, length);
        length += bytesRead;
        if (length > fileBytes) throw new Error(`it has more than ${fileBytes} bytes`);
      }
    } finally {
      await file.close();
    }
  }

  /**
   * Replaces the text by what `change` makes of it. Resolves when the new one is on disk.
   *
   * @param change returns null to leave it as it is; may be called again when another process took the lock for stale
   * @throws an Error that says what is wrong; what `change` throws; CANCELLED
   */
  async replace(change: (text: string) => string | null, signal: AbortSignal): Promise<void> {
    createDirectory(dirname(this.#path), 0o700);
    for (let tries = 1; ; tries++) {
      const token = await this.#lock(signal);
      try {
        const text = change(await this.read());
        if (text === null || (await this.#write(text, token))) return;
      } finally {
        await this.#unlock(token);
      }
      if (tries === TRIES) throw new Error("its lock was lost again and again");
    }
  }

  /** Removes what writers that died have left beside it. */
  async tidy(): Promise<void> {
    const directory = dirname(this.#path);
    const [start, end] = [`.${basename(this.#path)}.`, ".tmp"];
    for (const name of await readdir(directory).catch(() => [])) {
      if (!name.startsWith(start) || !name.endsWith(end)) continue;
      const path = join(directory, name);
      const modified = await stat(path).catch(() => undefined);
      if (modified !== undefined && this.#clock.wallNow() - modified.mtimeMs > TEMPORARY_AGE_MS)
        await rm(path, { force: true });
    }
  }

  /** Undefined when there is none. @throws an Error for anything but a file: a device would do something, a link leads away */
  async #stats(): Promise<{ mode: number } | undefined> {
    const found = await lstat(this.#path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (found === undefined) return undefined;
    if (found.isSymbolicLink()) throw new Error("it is a symbolic link");
    if (!found.isFile()) throw new Error("it is no file");
    return { mode: found.mode };
  }

  /** @returns whether the lock was still held when the file was about to be replaced */
  async #write(text: string, token: string): Promise<boolean> {
    const directory = dirname(this.#path);
    const temporary = join(directory, `.${basename(this.#path)}.${randomUUID()}.tmp`);
    try {
      const file = await open(temporary, "wx", 0o600);
      try {
        await file.writeFile(text);
        const found = await this.#stats();
        if (found !== undefined) await file.chmod(found.mode & 0o777);
        await file.sync();
      } finally {
        await file.close();
      }
      if ((await this.#holder()) !== token) return false;
      await rename(temporary, this.#path);
    } finally {
      await rm(temporary, { force: true });
    }
    await flushNames(directory);
    return true;
  }

  // --- the lock -----------------------------------------------------------------------------------------------------

  get #lockPath(): string {
    return `${this.#path}.lock`;
  }

  async #lock(signal: AbortSignal): Promise<string> {
    const token = randomUUID();
    let seen: string | undefined;
    let seenSinceMs = 0;
    while (!(await this.#tryLock(token))) {
      const holder = await this.#holder();
      if (holder !== seen || holder === undefined) {
        seen = holder;
        seenSinceMs = this.#clock.now();
      } else if (this.#clock.now() - seenSinceMs >= LOCK_STALE_MS) {
        await this.#break(holder);
        seen = undefined;
      }
      await withScope({ signal, clock: this.#clock }, (scope) => scope.sleep(LOCK_LOOK_MS));
    }
    return token;
  }

  async #tryLock(token: string): Promise<boolean> {
    try {
      const file = await open(this.#lockPath, "wx", 0o600);
      try {
        await file.writeFile(token);
      } finally {
        await file.close();
      }
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    }
  }

  /** What stands in the lock; undefined when there is none. */
  async #holder(): Promise<string | undefined> {
    return readFile(this.#lockPath, "utf8").catch(() => undefined);
  }

  /** Moved away first, since only one can do that; a lock that was taken anew meanwhile is given back. */
  async #break(stale: string): Promise<void> {
    const moved = `${this.#lockPath}.${randomUUID()}.tmp`;
    try {
      await rename(this.#lockPath, moved);
      if ((await readFile(moved, "utf8")) !== stale) await link(moved, this.#lockPath);
    } catch {
      // Another was faster, with this or with its own lock.
    } finally {
      await rm(moved, { force: true });
    }
  }

  async #unlock(token: string): Promise<void> {
    if ((await this.#holder()) === token) await rm(this.#lockPath, { force: true });
  }
}

/** The new name is on disk only when its directory is. */
async function flushNames(directory: string): Promise<void> {
  // Windows has no handle for a directory, and flushes its entries by itself.
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
