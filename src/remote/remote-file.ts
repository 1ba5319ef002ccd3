import { join } from "node:path";
import type { ActorContext, Members } from "../actor/index.ts";
import { packValue, unpackValue } from "../codec/index.ts";
import { openStore, type Store } from "../store/index.ts";
import type { KeptGrant } from "./gate.core.ts";

const MIGRATIONS: readonly string[] = [
  `CREATE TABLE grants (
     peer_id TEXT PRIMARY KEY,
     issued_at_ms REAL NOT NULL,
     content BLOB NOT NULL
   ) STRICT;
   CREATE TABLE outlets (
     peer_id TEXT PRIMARY KEY,
     token TEXT NOT NULL
   ) STRICT`,
];

const FILE_NAME = "remote.sqlite";

/** A token that this node holds, and whose it is. */
export interface KeptOutlet {
  readonly peerId: string;
  readonly token: string;
}

/** What the store takes from the actor that opens it. */
type Place = Pick<ActorContext<Members>, "clock" | "scheduler" | "metrics" | "log">;

/**
 * Who may run something here, and where tasks of this node may go: one row for each peer.
 *
 * @see {@link openStore} for what opening throws
 */
export class RemoteFile {
  readonly #store: Store;

  /** @param directory null: in memory */
  constructor(directory: string | null, { clock, scheduler, metrics, log }: Place) {
    this.#store = openStore({
      path: directory === null ? FILE_NAME : join(directory, FILE_NAME),
      migrations: MIGRATIONS,
      durability: directory === null ? "memory" : "flushed",
      clock,
      scheduler,
      metrics,
      log,
    });
  }

  /** In the order in which they were issued. */
  grants(): KeptGrant[] {
    const sql = "SELECT content FROM grants ORDER BY issued_at_ms, peer_id";
    const rows = this.#store.read((db) => db.prepare<{ content: Uint8Array }>(sql).all());
    return rows.map(({ content }) => unpackValue(content) as KeptGrant);
  }

  outlets(): KeptOutlet[] {
    const sql = "SELECT peer_id AS peerId, token FROM outlets ORDER BY peer_id";
    return this.#store
      .read((db) => db.prepare<{ peerId: string; token: string }>(sql).all())
      .map((row) => ({ ...row }));
  }

  /** Resolves when it is on disk, as the others do. @param left whose grant makes room for it */
  saveGrant(grant: KeptGrant, left: string | null = null): Promise<void> {
    return this.#store.write((db) => {
      if (left !== null) db.prepare("DELETE FROM grants WHERE peer_id = ?").run(left);
      db.prepare("INSERT OR REPLACE INTO grants (peer_id, issued_at_ms, content) VALUES (?, ?, ?)").run(
        grant.peerId,
        grant.issuedAtMs,
        packValue(grant),
      );
    });
  }

  saveOutlet({ peerId, token }: KeptOutlet): Promise<void> {
    return this.#store.write(
      (db) =>
        void db.prepare("INSERT OR REPLACE INTO outlets (peer_id, token) VALUES (?, ?)").run(peerId, token),
    );
  }

  removeOutlet(peerId: string): Promise<void> {
    return this.#store.write((db) => void db.prepare("DELETE FROM outlets WHERE peer_id = ?").run(peerId));
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  abandon(): void {
    this.#store.abandon();
  }
}
