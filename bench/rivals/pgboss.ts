import { setTimeout as pause } from "node:timers/promises";
import { taskMessage } from "../actor/task-message.ts";
import { inLanes } from "../kit/turns.ts";
import { timed, timedTrips, type Contestant } from "../queue/contestant.ts";
import { startPostgres } from "./postgres.ts";
import { load, versionOf, type Rival } from "./rival.ts";

interface Sql {
  executeSql(text: string): Promise<{ rows: Record<string, unknown>[] }>;
}
interface Boss {
  start(): Promise<unknown>;
  stop(options: { graceful: boolean }): Promise<void>;
  on(event: "error", listener: (error: Error) => void): unknown;
  createQueue(name: string): Promise<void>;
  send(name: string, data: unknown): Promise<string | null>;
  fetch(name: string, options: { batchSize: number }): Promise<{ id: string }[]>;
  complete(name: string, ids: string[]): Promise<unknown>;
  deleteAllJobs(name: string): Promise<unknown>;
  getDb(): Sql;
}
interface PgBossModule {
  readonly PgBoss: new (options: {
    host: string;
    user: string;
    database: string;
    max: number;
    supervise: boolean;
    schedule: boolean;
  }) => Boss;
}

const QUEUE = "bench";
/** Connections: each commit waits for the disk by itself, so more of them share a flush. */
const CONNECTIONS = 32;
/** Those who fetch, run and complete, each with its share of the concurrency. */
const CONSUMERS = 4;
const EMPTY_MS = 1;

/**
 * pg-boss with its own upkeep switched off. Its `work` looks for jobs twice a second at most; so the bench fetches and
 * completes by itself, in batches and without a pause, which its documentation also offers and which is faster.
 *
 * @see https://pgboss.io/api/jobs
 */
export async function startPgBoss(): Promise<Rival> {
  const { PgBoss } = await load<PgBossModule>("pg-boss");
  const postgres = await startPostgres();
  try {
    const { host, user } = postgres;
    const options = { host, user, database: user, max: CONNECTIONS, supervise: false, schedule: false };
    const boss = new PgBoss(options);
    const failures: Error[] = [];
    boss.on("error", (error) => failures.push(error));
    await boss.start();
    await boss.createQueue(QUEUE);
    const sql = boss.getDb();
    for (const name of ["fsync", "synchronous_commit", "full_page_writes"]) await verifiedOn(sql, name);
    const server = await show(sql, "server_version");
    return {
      is: `pg-boss ${await versionOf("pg-boss")}, postgresql ${server} (fsync on, synchronous_commit on)`,
      ways: { pgboss: new PgBossContestant(boss, failures) },
      async close() {
        await boss.stop({ graceful: false });
        await postgres.stop();
      },
    };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

async function show(sql: Sql, name: string): Promise<string> {
  const { rows } = await sql.executeSql(`SHOW ${name}`);
  return String(rows[0]?.[name]);
}

async function verifiedOn(sql: Sql, name: string): Promise<void> {
  const got = await show(sql, name);
  if (got !== "on") throw new Error(`postgresql has ${name} ${got}, not on`);
}

class PgBossContestant implements Contestant {
  readonly #boss: Boss;
  /** What it reported beside its answers; a round with any is no measurement. */
  readonly #failures: readonly Error[];

  constructor(boss: Boss, failures: readonly Error[]) {
    this.#boss = boss;
    this.#failures = failures;
  }

  async submit(count: number, inFlight: number): ReturnType<Contestant["submit"]> {
    const took = await timed(this.#fsyncs, () => this.#sendAll(count, inFlight));
    await this.#tidy();
    return took;
  }

  async cycle(count: number, inFlight: number): ReturnType<Contestant["cycle"]> {
    const took = await timed(this.#fsyncs, async () => {
      await Promise.all([this.#sendAll(count, inFlight), this.#completeAll(count, inFlight)]);
    });
    await this.#tidy();
    return took;
  }

  async trips(count: number): Promise<readonly number[]> {
    const trips = await timedTrips(count, async (index) => {
      await this.#boss.send(QUEUE, taskMessage(index));
      await this.#completeSome(1);
    });
    await this.#tidy();
    return trips;
  }

  #sendAll(count: number, inFlight: number): Promise<void> {
    return inLanes(count, inFlight, (index) => this.#boss.send(QUEUE, taskMessage(index)));
  }

  async #completeAll(count: number, concurrency: number): Promise<void> {
    let completed = 0;
    const consume = async (): Promise<void> => {
      while (completed < count) {
        const some = await this.#completeSome(concurrency / CONSUMERS);
        completed += some;
        if (some === 0) await pause(EMPTY_MS);
      }
    };
    await Promise.all(Array.from({ length: CONSUMERS }, consume));
  }

  async #completeSome(batchSize: number): Promise<number> {
    const jobs = await this.#boss.fetch(QUEUE, { batchSize });
    if (jobs.length === 0) return 0;
    const noop = (): Promise<void> => Promise.resolve();
    await Promise.all(jobs.map(noop));
    await this.#boss.complete(
      QUEUE,
      jobs.map(({ id }) => id),
    );
    return jobs.length;
  }

  async #tidy(): Promise<void> {
    if (this.#failures.length > 0) throw new AggregateError(this.#failures, "pg-boss reported failures");
    await this.#boss.deleteAllJobs(QUEUE);
  }

  /** As PostgreSQL counts them; its processes report what they did with a delay, so a short stretch shows few. */
  readonly #fsyncs = async (): Promise<number> => {
    const { rows } = await this.#boss.getDb().executeSql("SELECT wal_sync FROM pg_stat_wal");
    return Number(rows[0]?.["wal_sync"]);
  };
}
