import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { LIMITS, fault, isFault, type Fault } from "../errors/index.ts";
import type { Clock, Scheduler } from "../scope/index.ts";
import type { Log, MetricsBlock } from "../telemetry/index.ts";
import { isOwned, openSqlite, type Driver, type Row } from "./driver.ts";
import { flushDirectoryOf, watchPlace } from "./file-place.ts";
import { damageOfLog, isEmpty } from "./log-damage.ts";
import { LogSpace } from "./log-space.ts";
import { isLocked, writeFault } from "./store-fault.ts";
import { OwnedStore, type Durability, type Store, type StoreLimits } from "./store.ts";

export interface StoreOptions {
  /** Of the file; its directory is created. With durability `memory` it is only a name for messages. */
  readonly path: string;
  /** SQL scripts; the first `user_version` of them have been applied to a file already. Only ever append to the list. */
  readonly migrations: readonly string[];
  readonly durability?: Durability;
  /**
   * Tables that the check of a large file leaves out: the owner reads them whole right after opening, or is prepared to
   * find damage when it needs a row.
   */
  readonly readWhole?: readonly string[];
  readonly clock: Clock;
  /** Gives the turn in which what was queued is committed. */
  readonly scheduler: Scheduler;
  readonly metrics?: MetricsBlock;
  readonly log?: Log;
  readonly limits?: Partial<StoreLimits>;
  /** Opens the database; default is SQLite on the file. With another driver no file is touched here. */
  readonly driver?: (path: string) => Driver;
}

/** "mcp+": marks the file as ours, for us and for `file(1)`. @see https://www.sqlite.org/fileformat.html#application_id */
const APPLICATION_ID = 0x6d63702b;

/**
 * Opens a store, of which this caller is then the only owner, until `close`. It checks the whole file (of one above
 * `LIMITS.store.wholeCheckBytes` all but `readWhole`), so it takes time in proportion to its size.
 *
 * @throws STORE_OWNED while another process or thread has it open; two that open a new file at the same instant may
 *   both be told so
 * @throws STORE_NEWER when a newer version of this package wrote it; nothing is changed
 * @throws STORE_CORRUPT when it is damaged, is no database, or belongs to another program; nothing is changed
 * @throws STORE_FULL, STORE_FAILED when it cannot be created or migrated; a migration that fails changes nothing
 */
export function openStore(options: StoreOptions): Store {
  const { path, migrations, durability = "flushed", driver: open = openSqlite } = options;
  const ownerPath = options.driver === undefined && durability !== "memory" ? `${path}.owner` : undefined;
  const limits = { ...LIMITS.store, ...options.limits };
  let driver: Driver | undefined;
  let logSpace: LogSpace | null = null;
  let flush: (() => void) | null = null;
  try {
    if (ownerPath !== undefined && durability === "flushed") assertLogWhole(path, ownerPath);
    driver = open(durability === "memory" ? ":memory:" : path);
    const found = lockAndInspect(driver);
    assertOurs(path, found, migrations.length);
    configure(driver, path, durability, limits.walBytes);
    if (!found.fresh)
      assertSound(
        driver,
        path,
        options.readWhole ?? [],
        { ...LIMITS.store, ...options.limits }.wholeCheckBytes,
      );
    migrate(driver, migrations, found);
    if (found.version < migrations.length) {
      options.log?.info("the store was migrated", { path, from: found.version, to: migrations.length });
    }
    if (ownerPath !== undefined) {
      assertSchema(driver, path, migrations);
      flushDirectoryOf(path);
      writeFileSync(ownerPath, `${process.pid}\n`, { mode: 0o600 });
    }
    // Below `flushed` nobody waits for the disk; with another driver there is no file.
    if (durability === "flushed") {
      if (ownerPath !== undefined) logSpace = LogSpace.open(path, limits.walBytes);
      flush = flushApart(driver, logSpace);
      // What a dead owner has committed and not flushed is told from now on, and must not be lost with the power.
      flush?.();
    }
  } catch (error) {
    logSpace?.close();
    driver?.close();
    throw openFault(path, ownerPath, error);
  }
  return new OwnedStore({
    path,
    durability,
    driver,
    limits,
    logSpace,
    flush,
    clock: options.clock,
    scheduler: options.scheduler,
    metrics: options.metrics,
    log: options.log,
    // Removed while the lock is still held: afterwards it could be the next owner's.
    onClose: () => ownerPath !== undefined && rmSync(ownerPath, { force: true }),
    mustBeInPlace: ownerPath === undefined ? null : watchPlace(path),
  });
}

/**
 * Takes the flush out of the commit, where somebody else can do it: then work that a commit allows can begin before it.
 * What SQLite must flush for the log's own sake, before it is moved into the file and when it begins anew, it still does.
 *
 * @see https://www.sqlite.org/pragma.html#pragma_synchronous (NORMAL)
 */
function flushApart(driver: Driver, logSpace: LogSpace | null): (() => void) | null {
  const flush = logSpace === null ? driver.flush : () => logSpace.flush();
  if (flush === undefined) return null;
  driver.exec("PRAGMA synchronous = NORMAL");
  return flush;
}

interface Found {
  readonly applicationId: number;
  readonly version: number;
  /** Nobody has written anything to it. */
  readonly fresh: boolean;
}

/**
 * Takes the lock, for good, before anything is read, so that two openers do not block each other with shared locks.
 *
 * Exclusive locking also keeps the index of the log in this process's memory instead of a shared file, and with one
 * connection per file the hazards of several never arise.
 *
 * @see https://www.sqlite.org/wal.html#use_of_wal_without_shared_memory
 */
function lockAndInspect(driver: Driver): Found {
  driver.exec("PRAGMA locking_mode = EXCLUSIVE");
  driver.exec("BEGIN EXCLUSIVE");
  const applicationId = numberOf(driver, "PRAGMA application_id");
  const version = numberOf(driver, "PRAGMA user_version");
  const objects = numberOf(driver, "SELECT count(*) FROM sqlite_schema");
  driver.exec("COMMIT");
  return { applicationId, version, fresh: applicationId === 0 && version === 0 && objects === 0 };
}

/**
 * What a dead owner has left must be all that it has acknowledged. Looked at before SQLite takes the log for whole and
 * forgets what does not fit.
 */
function assertLogWhole(path: string, ownerPath: string): void {
  if (!existsSync(`${path}-wal`)) return;
  // Reading it all would be in vain, and of a log that is being written it would tell nothing.
  if (!isEmpty(path) && isOwned(path)) return;
  const damage = damageOfLog(path);
  if (damage === undefined) return;
  const files = `${basename(path)}-wal and ${basename(ownerPath)}`;
  const wayOut = `restore a backup, or delete ${files} to go on without what was acknowledged last`;
  throw fault("STORE_CORRUPT", { path, why: `${damage}: ${wayOut}` });
}

/** A table that is missing, or a trigger of somebody else, would make of every write something that nobody expects. */
function assertSchema(driver: Driver, path: string, migrations: readonly string[]): void {
  const wanted = openSqlite(":memory:");
  for (const script of migrations) wanted.exec(script);
  const [expected, found] = [partsOf(wanted), partsOf(driver)];
  wanted.close();
  const [missing] = expected.difference(found);
  const [foreign] = found.difference(expected);
  if (missing !== undefined) throw fault("STORE_CORRUPT", { path, why: `it has no ${missing}` });
  if (foreign !== undefined)
    throw fault("STORE_CORRUPT", { path, why: `it has a ${foreign}, which is not ours` });
}

/** What SQLite itself keeps has names that begin with its own. */
function partsOf(driver: Driver): Set<string> {
  const rows = driver
    .prepare("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'")
    .all();
  return new Set(rows.map(({ type, name }) => `${String(type)} ${String(name)}`));
}

function assertOurs(path: string, { applicationId, version, fresh }: Found, supported: number): void {
  if (!fresh && applicationId !== APPLICATION_ID) {
    throw fault("STORE_CORRUPT", { path, why: "it is a database of another program" });
  }
  if (version < 0) throw fault("STORE_CORRUPT", { path, why: `its format is ${version}` });
  if (version > supported) throw fault("STORE_NEWER", { path, version, supported });
}

function configure(driver: Driver, path: string, durability: Durability, walBytes: number): void {
  driver.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY");
  if (durability === "memory") return;
  const mode = driver.prepare("PRAGMA journal_mode = WAL").get()?.["journal_mode"];
  if (mode !== "wal") {
    throw fault("STORE_FAILED", {
      path,
      why: `its file system does not allow a write-ahead log (${String(mode)})`,
    });
  }
  driver.exec(`PRAGMA synchronous = ${durability === "flushed" ? "FULL" : "NORMAL"}`);
  // On macOS an fsync alone stops at the drive's own cache; elsewhere this changes nothing.
  driver.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON");
  // SQLite would move the log into the file within a commit, whenever the log reaches 1000 pages; commits stalled
  // for 45 to 84 ms so. The owner knows better when nobody waits: see Store.
  driver.exec("PRAGMA wal_autocheckpoint = 0");
  // The log keeps its space from round to round (overwriting flushes sooner than growing), but not without a bound.
  driver.exec(`PRAGMA journal_size_limit = ${walBytes}`);
}

function assertSound(
  driver: Driver,
  path: string,
  readWhole: readonly string[],
  wholeCheckBytes: number,
): void {
  const sizeBytes = numberOf(driver, "PRAGMA page_count") * numberOf(driver, "PRAGMA page_size");
  const checks =
    sizeBytes <= wholeCheckBytes
      ? ["PRAGMA quick_check(1)"]
      : tablesOf(driver)
          .filter((table) => !readWhole.includes(table))
          .map((table) => `PRAGMA quick_check("${table}")`);
  for (const check of checks) {
    const [first] = driver.prepare(check).all();
    const finding = first?.["quick_check"];
    if (finding !== "ok") throw fault("STORE_CORRUPT", { path, why: String(finding) });
  }
}

function tablesOf(driver: Driver): string[] {
  const rows = driver.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  return rows.map(({ name }) => String(name));
}

/** Each script in a transaction of its own, its version number with it. */
function migrate(driver: Driver, migrations: readonly string[], { version, fresh }: Found): void {
  if (fresh) driver.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  for (const [index, script] of migrations.entries()) {
    if (index < version) continue;
    driver.exec("BEGIN IMMEDIATE");
    driver.exec(script);
    driver.exec(`PRAGMA user_version = ${index + 1}`);
    // A failure on the way closes the connection, which rolls the transaction back.
    driver.exec("COMMIT");
  }
}

function openFault(path: string, ownerPath: string | undefined, error: unknown): Fault {
  if (isFault(error)) return error;
  if (!isLocked(error)) return writeFault(path, error);
  const owner = ownerPath === undefined ? undefined : ownerOf(ownerPath);
  return fault("STORE_OWNED", { path, ...(owner === undefined ? {} : { owner }) }, { cause: error });
}

/** For the message only: the lock is what counts, and this file may be missing or stale. */
function ownerOf(ownerPath: string): string | undefined {
  try {
    const pid = Number.parseInt(readFileSync(ownerPath, "utf8"), 10);
    if (pid === process.pid) return `another part of this process (${pid})`;
    return Number.isNaN(pid) ? undefined : `process ${pid}`;
  } catch {
    return undefined;
  }
}

function numberOf(driver: Driver, sql: string): number {
  const row: Row = driver.prepare(sql).get() ?? {};
  return Number(Object.values(row)[0]);
}
