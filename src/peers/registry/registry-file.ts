import { join } from "node:path";
import type { ActorContext, Members } from "../../actor/index.ts";
import { LIMITS } from "../../errors/index.ts";
import { openStore, type Durability, type Store } from "../../store/index.ts";
import type { FigurePoint, RecordSource } from "../peers.protocol.ts";

/** Lists of texts stand one per line: neither addresses nor names of sources have line breaks. */
const REGISTRY_MIGRATIONS: readonly string[] = [
  `CREATE TABLE records (
     peer_id TEXT PRIMARY KEY,
     sources TEXT NOT NULL,
     last_seen_ms REAL NOT NULL,
     expires_at_ms REAL NOT NULL,
     sealed BLOB NOT NULL
   ) STRICT;
   CREATE INDEX records_by_expiry ON records (expires_at_ms);
   CREATE TABLE persistent (
     peer_id TEXT PRIMARY KEY,
     addresses TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE hours (
     peer_id TEXT NOT NULL,
     at_ms REAL NOT NULL,
     latency_ms REAL,
     bandwidth_mbps REAL,
     loss_percent REAL,
     quality REAL,
     reliability REAL,
     uptime_hours REAL,
     requests_served REAL NOT NULL,
     bytes_transferred REAL NOT NULL,
     PRIMARY KEY (peer_id, at_ms)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE own (
     name TEXT PRIMARY KEY,
     value REAL NOT NULL
   ) STRICT, WITHOUT ROWID`,
];

const FILE_NAME = "peers.sqlite";
const HOUR_MS = 3_600_000;

export interface StoredRecord {
  readonly sealed: Uint8Array;
  readonly sources: readonly RecordSource[];
  readonly lastSeenMs: number;
}

/** What the store takes from the actor that opens it. */
export type RegistryPlace = Pick<ActorContext<Members>, "clock" | "scheduler" | "metrics" | "log">;

/** What outlives the registry's actor. @see {@link openStore} for what opening throws */
export class RegistryFile {
  readonly #store: Store;

  /** @param directory null: in memory, with the same behaviour and nothing kept */
  constructor(directory: string | null, { clock, scheduler, metrics, log }: RegistryPlace) {
    this.#store = openStore({
      path: directory === null ? FILE_NAME : join(directory, FILE_NAME),
      migrations: REGISTRY_MIGRATIONS,
      durability: directory === null ? "memory" : "committed",
      clock,
      scheduler,
      metrics,
      log,
    });
  }

  get durability(): Durability {
    return this.#store.durability;
  }

  // --- records ------------------------------------------------------------------------------------------------------

  records(): StoredRecord[] {
    const rows = this.#store.read((db) =>
      db
        .prepare<{ sealed: Uint8Array; sources: string; lastSeenMs: number }>(
          `SELECT sealed, sources, last_seen_ms AS lastSeenMs FROM records
           ORDER BY last_seen_ms DESC LIMIT ${LIMITS.discovery.peers}`,
        )
        .all(),
    );
    return rows.map((row) => ({ ...row, sources: linesOf(row.sources) as RecordSource[] }));
  }

  /** Not waited for: a record that is lost is told again. A failure has been logged by the store. */
  keepRecord(peerId: string, expiresAtMs: number, { sealed, sources, lastSeenMs }: StoredRecord): void {
    void this.#store
      .write((db) =>
        db
          .prepare(
            `INSERT INTO records (peer_id, sources, last_seen_ms, expires_at_ms, sealed) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (peer_id) DO UPDATE SET sources = excluded.sources, last_seen_ms = excluded.last_seen_ms,
               expires_at_ms = excluded.expires_at_ms, sealed = excluded.sealed`,
          )
          .run(peerId, sources.join("\n"), lastSeenMs, expiresAtMs, sealed),
      )
      .catch(() => undefined);
  }

  /** Records that have expired, hours that are told no more, and what is beyond the number of peers. */
  sweep(wallMs: number): void {
    const { peers } = LIMITS.discovery;
    void this.#store
      .write((db) => {
        db.prepare("DELETE FROM records WHERE expires_at_ms <= ?").run(wallMs);
        db.prepare(
          `DELETE FROM records WHERE peer_id IN
             (SELECT peer_id FROM records ORDER BY last_seen_ms DESC LIMIT -1 OFFSET ${peers})`,
        ).run();
        db.prepare("DELETE FROM hours WHERE at_ms < ?").run(wallMs - LIMITS.peers.historyHours * HOUR_MS);
      })
      .catch(() => undefined);
  }

  /** Resolves when nothing of the peer is kept. @throws STORE_FULL, STORE_FAILED, STORE_CORRUPT */
  forget(peerId: string): Promise<void> {
    return this.#store.write((db) => {
      for (const table of ["records", "persistent", "hours"])
        db.prepare(`DELETE FROM ${table} WHERE peer_id = ?`).run(peerId);
    });
  }

  // --- persistent peers ---------------------------------------------------------------------------------------------

  persistent(): { peerId: string; addresses: string[] }[] {
    const rows = this.#store.read((db) =>
      db
        .prepare<{ peerId: string; addresses: string }>("SELECT peer_id AS peerId, addresses FROM persistent")
        .all(),
    );
    return rows.map(({ peerId, addresses }) => ({ peerId, addresses: linesOf(addresses) }));
  }

  /** @throws STORE_FULL, STORE_FAILED, STORE_CORRUPT */
  persist(peerId: string, addresses: readonly string[]): Promise<void> {
    return this.#store.write((db) =>
      db
        .prepare(
          `INSERT INTO persistent (peer_id, addresses) VALUES (?, ?)
           ON CONFLICT (peer_id) DO UPDATE SET addresses = excluded.addresses`,
        )
        .run(peerId, addresses.join("\n")),
    );
  }

  /** @throws STORE_FULL, STORE_FAILED, STORE_CORRUPT */
  release(peerId: string): Promise<void> {
    return this.#store.write((db) => db.prepare("DELETE FROM persistent WHERE peer_id = ?").run(peerId));
  }

  // --- history ------------------------------------------------------------------------------------------------------

  /** Not waited for: the hour's point is written again and again. */
  keepPoints(points: readonly { readonly peerId: string; readonly point: FigurePoint }[]): void {
    if (points.length === 0) return;
    void this.#store
      .write((db) => {
        const keep = db.prepare(
          `INSERT OR REPLACE INTO hours (peer_id, at_ms, latency_ms, bandwidth_mbps, loss_percent, quality, reliability,
             uptime_hours, requests_served, bytes_transferred) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        );
        for (const { peerId, point } of points) {
          keep.run(
            peerId,
            point.atMs,
            point.latencyMs,
            point.bandwidthMbps,
            point.lossPercent,
            point.quality,
            point.reliability,
            point.uptimeHours,
            point.requestsServed,
            point.bytesTransferred,
          );
        }
      })
      .catch(() => undefined);
  }

  /** Oldest first. */
  points(peerId: string, fromMs: number): FigurePoint[] {
    return this.#store.read((db) =>
      db
        .prepare<FigurePoint>(
          `SELECT at_ms AS atMs, latency_ms AS latencyMs, bandwidth_mbps AS bandwidthMbps, loss_percent AS lossPercent,
             quality, reliability, uptime_hours AS uptimeHours, requests_served AS requestsServed,
             bytes_transferred AS bytesTransferred
           FROM hours WHERE peer_id = ? AND at_ms >= ? ORDER BY at_ms`,
        )
        .all(peerId, fromMs),
    );
  }

  // --- own sequence -------------------------------------------------------------------------------------------------

  /** The highest that was taken; 0 before the first. */
  sequence(): number {
    const row = this.#store.read((db) =>
      db.prepare<{ value: number }>("SELECT value FROM own WHERE name = 'sequence'").get(),
    );
    return row?.value ?? 0;
  }

  /** Resolves when no later life will take this number. @throws STORE_FULL, STORE_FAILED, STORE_CORRUPT */
  takeSequence(sequence: number): Promise<void> {
    return this.#store.write((db) =>
      db
        .prepare(
          `INSERT INTO own (name, value) VALUES ('sequence', ?)
           ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)`,
        )
        .run(sequence),
    );
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  abandon(): void {
    this.#store.abandon();
  }
}

const linesOf = (text: string): string[] => (text === "" ? [] : text.split("\n"));
