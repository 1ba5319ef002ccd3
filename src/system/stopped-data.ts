import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { CACHE_MIGRATIONS } from "../cache/index.ts";
import { fault, isFault } from "../errors/index.ts";
import { QUEUE_MIGRATIONS } from "../queue/index.ts";
import { systemClock, systemScheduler } from "../scope/index.ts";
import { openStore, type Store } from "../store/index.ts";
import { RUN_MIGRATIONS } from "../workflow/index.ts";
import { STORE_NAMES, type StoreName } from "./store-names.ts";
import { realPlace } from "./whole-directory.ts";

const MIGRATIONS: { readonly [Name in StoreName]: readonly string[] } = {
  "scheduler.sqlite": RUN_MIGRATIONS,
  "queue.sqlite": QUEUE_MIGRATIONS,
  "cache.sqlite": CACHE_MIGRATIONS,
};

/** The formats of stores that this version reads. */
export const SUPPORTED: { readonly [Name in StoreName]: number } = {
  "scheduler.sqlite": RUN_MIGRATIONS.length,
  "queue.sqlite": QUEUE_MIGRATIONS.length,
  "cache.sqlite": CACHE_MIGRATIONS.length,
};

/** A data directory of which this process is the owner, without any of its actors: nothing is carried out. */
export interface StoppedData extends AsyncDisposable {
  /** Absolute, links resolved. */
  readonly path: string;
  readonly stores: { readonly [Name in StoreName]?: Store };
  /** Stores that are damaged and can be done without. */
  readonly leftOut: readonly string[];
}

/**
 * Opens the files of a data directory that are there, as every command does: one of an older version is upgraded.
 *
 * @param create opens the queue's file also when it is not there yet
 * @param wayOut what to do when another process has the directory
 * @throws FILE_UNREADABLE when it is no data directory; STORE_OWNED, STORE_NEWER, STORE_CORRUPT, STORE_FAILED
 */
export async function openStopped(
  data: string,
  { create = false, wayOut }: { readonly create?: boolean; readonly wayOut: string },
): Promise<StoppedData> {
  const path = await realPlace(data);
  const names = STORE_NAMES.filter(
    (name) =>
      (create && name === "queue.sqlite") || statSync(join(path, name), { throwIfNoEntry: false })?.isFile(),
  );
  if (!names.includes("queue.sqlite")) {
    const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
    const why = isDirectory
      ? "it is no data directory: it holds no queue.sqlite"
      : "there is no such directory";
    throw fault("FILE_UNREADABLE", { path, why });
  }
  const stores: { [Name in StoreName]?: Store } = {};
  const leftOut: string[] = [];
  const close = async (): Promise<void> => {
    for (const store of Object.values(stores)) await store.close();
  };
  try {
    for (const name of names) {
      const store = openOne(join(path, name), MIGRATIONS[name], wayOut, name === "cache.sqlite");
      if (store === undefined) leftOut.push(name);
      else stores[name] = store;
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { path, stores, leftOut, [Symbol.asyncDispose]: close };
}

/**
 * Does another process have one of the files? Nothing is opened for longer than it takes to see, and nothing changed.
 *
 * @throws STORE_OWNED
 */
export async function assertStopped(path: string, wayOut: string): Promise<void> {
  for (const name of STORE_NAMES) {
    const file = join(path, name);
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) continue;
    try {
      // The lock is tried before anything is read. For a version without migrations every file is from a newer one.
      await openStore({ path: file, migrations: [], clock: systemClock, scheduler: systemScheduler }).close();
    } catch (error) {
      // Damaged, or from another version: whatever it is, nobody has it.
      if (isFault(error, "STORE_OWNED")) throw withWayOut(error.details, wayOut);
      if (!isFault(error)) throw error;
    }
  }
}

function openOne(
  path: string,
  migrations: readonly string[],
  wayOut: string,
  canDoWithout: boolean,
): Store | undefined {
  try {
    return openStore({ path, migrations, clock: systemClock, scheduler: systemScheduler });
  } catch (error) {
    if (isFault(error, "STORE_OWNED")) throw withWayOut(error.details, wayOut);
    // A cache must never be what stops someone.
    if (canDoWithout && isFault(error, "STORE_CORRUPT")) return undefined;
    throw error;
  }
}

/** Whoever works on a data directory knows it by its name, and not which of its files is opened first. */
const withWayOut = ({ path, owner }: { path: string; owner?: string }, wayOut: string): Error =>
  fault("STORE_OWNED", { path: dirname(path), ...(owner === undefined ? {} : { owner }), wayOut });
