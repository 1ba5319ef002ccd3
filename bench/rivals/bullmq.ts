import { taskMessage } from "../actor/task-message.ts";
import { openChild, type Child } from "../kit/child.ts";
import { inLanes } from "../kit/turns.ts";
import { timed, timedTrips, type Contestant } from "../queue/contestant.ts";
import { startRedis, type RedisServer } from "./redis.ts";
import { load, versionOf, type Rival } from "./rival.ts";

interface Connection {
  readonly path: string;
  readonly enableAutoPipelining?: boolean;
  readonly maxRetriesPerRequest?: null;
}
interface BullQueue {
  add(name: string, data: unknown): Promise<{ id?: string }>;
  obliterate(options: { force: boolean }): Promise<void>;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}
export interface BullWorker {
  on(event: "completed", listener: (job: { id?: string }) => void): unknown;
  on(event: "failed" | "error", listener: (...args: unknown[]) => void): unknown;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}
export interface BullMq {
  readonly Queue: new (
    name: string,
    options: { connection: Connection; defaultJobOptions: { removeOnComplete: boolean } },
  ) => BullQueue;
  readonly Worker: new (
    name: string,
    handler: () => Promise<void>,
    options: { connection: Connection; concurrency: number },
  ) => BullWorker;
}

export const QUEUE = "bench";

/**
 * BullMQ as its documentation has it for throughput: one connection for submitting, one worker whose `concurrency` is
 * the number in flight, and completed jobs removed at once, so that it keeps less than we do. Two things that it
 * leaves open are tried both ways: pipelining by ioredis, and a worker in a process of its own.
 *
 * @see https://docs.bullmq.io/guide/workers/concurrency
 */
export async function startBullMq(): Promise<Rival> {
  const bullmq = await load<BullMq>("bullmq");
  const redis = await startRedis();
  try {
    const plain = new bullmq.Queue(QUEUE, optionsOf({ path: redis.socket }));
    const pipelined = new bullmq.Queue(QUEUE, optionsOf({ path: redis.socket, enableAutoPipelining: true }));
    await Promise.all([plain.waitUntilReady(), pipelined.waitUntilReady()]);
    const apart = openChild(new URL("./bullmq-worker.process.ts", import.meta.url), { args: [redis.socket] });
    return {
      is: `bullmq ${await versionOf("bullmq")}, ioredis ${await versionOf("ioredis")}, redis ${redis.version} (appendfsync always)`,
      ways: {
        bullmq: new BullContestant(bullmq, redis, plain, null),
        bullmq_pipelined_apart: new BullContestant(bullmq, redis, pipelined, apart),
      },
      async close() {
        await apart.kill();
        await Promise.all([plain.close(), pipelined.close()]);
        await redis.stop();
      },
    };
  } catch (error) {
    await redis.stop();
    throw error;
  }
}

const optionsOf = (connection: Connection): ConstructorParameters<BullMq["Queue"]>[1] => ({
  connection,
  defaultJobOptions: { removeOnComplete: true },
});

class BullContestant implements Contestant {
  readonly #bullmq: BullMq;
  readonly #redis: RedisServer;
  readonly #queue: BullQueue;
  /** The process that has the worker; null = this one. */
  readonly #apart: Child | null;

  constructor(bullmq: BullMq, redis: RedisServer, queue: BullQueue, apart: Child | null) {
    this.#bullmq = bullmq;
    this.#redis = redis;
    this.#queue = queue;
    this.#apart = apart;
  }

  async submit(count: number, inFlight: number): ReturnType<Contestant["submit"]> {
    const took = await timed(this.#redis.fsyncs, () => this.#addAll(count, inFlight));
    await this.#queue.obliterate({ force: true });
    return took;
  }

  async cycle(count: number, inFlight: number): ReturnType<Contestant["cycle"]> {
    const work = this.#apart
      ? await workApart(this.#apart, count, inFlight)
      : await workHere(this.#bullmq, this.#redis.socket, count, inFlight);
    const took = await timed(this.#redis.fsyncs, async () => {
      await this.#addAll(count, inFlight);
      await work.completed;
    });
    await work.end();
    return took;
  }

  /** The worker's own event is the soonest that anyone can know of a completion: no other connection has to tell. */
  async trips(count: number): Promise<readonly number[]> {
    let resume: () => void = () => undefined;
    const worker = await openWorker(this.#bullmq, this.#redis.socket, 1);
    worker.on("completed", () => resume());
    const trips = await timedTrips(count, async (index) => {
      const completed = new Promise<void>((resolve) => (resume = resolve));
      await this.#queue.add("noop", taskMessage(index));
      await completed;
    });
    await worker.close();
    return trips;
  }

  #addAll(count: number, inFlight: number): Promise<void> {
    return inLanes(count, inFlight, (index) => this.#queue.add("noop", taskMessage(index)));
  }
}

export interface WorkOrder {
  readonly count: number;
  readonly concurrency: number;
}

interface Work {
  /** All so many were, and redis has acknowledged it. */
  readonly completed: Promise<void>;
  end(): Promise<void>;
}

export async function openWorker(
  { Worker }: BullMq,
  socket: string,
  concurrency: number,
): Promise<BullWorker> {
  const connection = { path: socket, maxRetriesPerRequest: null };
  const worker = new Worker(QUEUE, () => Promise.resolve(), { connection, concurrency });
  await worker.waitUntilReady();
  return worker;
}

async function workHere(bullmq: BullMq, socket: string, count: number, concurrency: number): Promise<Work> {
  const worker = await openWorker(bullmq, socket, concurrency);
  return { completed: completions(worker, count), end: () => worker.close() };
}

/** Resolves when so many more have completed. */
export function completions(worker: BullWorker, count: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let completed = 0;
  worker.on("completed", () => {
    if (++completed === count) resolve();
  });
  worker.on("failed", (_, error) => reject(new Error("a job of bullmq failed", { cause: error })));
  return promise;
}

async function workApart(apart: Child, count: number, concurrency: number): Promise<Work> {
  await apart.ask("begin", { count, concurrency } satisfies WorkOrder);
  return { completed: apart.ask("completed"), end: () => apart.ask("end") };
}
