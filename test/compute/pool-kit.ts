import { packValue, unpackValue } from "../../src/codec/index.ts";
import {
  openPool,
  type ComputePool,
  type Isolation,
  type PoolOptions,
  type RunOutcome,
} from "../../src/compute/index.ts";
import { systemClock } from "../../src/scope/index.ts";
import { createLog } from "../../src/telemetry/index.ts";
import { moduleUrl } from "./attempt-kit.ts";

/** A pool on real threads. What has to happen first is awaited by an event of the handler, never by time. */
export interface PoolKit {
  readonly pool: ComputePool;
  readonly lines: string[];
  readonly logged: Parameters<NonNullable<PoolOptions["onLog"]>>[];
  /** Starts a run. The first is that of task "t1", the next that of "t2". */
  run(action: string, input?: unknown, timeoutMs?: number): Promise<RunOutcome>;
  /** Its output; throws when it did not complete. */
  output(action: string, input?: unknown): Promise<unknown>;
  /** Resolves with the id of the task that next reports progress. */
  nextProgress(): Promise<string>;
  /** Resolves when that many tasks have reported progress. */
  begun(count: number): Promise<void>;
  /** Resolves when the pool's own log has a line. */
  nextLine(): Promise<void>;
}

const open: ComputePool[] = [];

/** For `afterEach`. */
export async function closePools(): Promise<void> {
  await Promise.all(open.splice(0).map((pool) => pool.close({ graceMs: 0 })));
}

export function openPoolKit(options: Partial<PoolOptions> = {}, place: Isolation = "thread"): PoolKit {
  const lines: string[] = [];
  const logged: PoolKit["logged"] = [];
  const reported = new Set<string>();
  let progressed = Promise.withResolvers<string>();
  let lineWritten = Promise.withResolvers<void>();
  let begun = { count: Infinity, resolve: (): void => {} };
  const pool = openPool({
    modules: [moduleUrl("sample")],
    threads: 1,
    heapMb: 64,
    graceMs: 20,
    blobsDirectory: null,
    roots: [],
    allowedHosts: [],
    clock: systemClock,
    log: createLog({
      component: "pool",
      clock: systemClock,
      sink: (line) => {
        lines.push(line);
        lineWritten.resolve();
      },
    }),
    onProgress: ({ taskId }) => {
      progressed.resolve(taskId);
      reported.add(taskId);
      if (reported.size >= begun.count) begun.resolve();
    },
    onLog: (...record) => void logged.push(record),
    ...options,
  });
  open.push(pool);
  let count = 0;
  const kit: PoolKit = {
    pool,
    lines,
    logged,
    run(action, input = null, timeoutMs = Infinity) {
      count += 1;
      return pool.run({
        taskId: `t${count}`,
        token: count,
        action,
        input: packValue(input),
        timeoutMs,
        attempt: 1,
        place,
      });
    },
    async output(action, input) {
      const outcome = await kit.run(action, input);
      if (outcome.kind !== "completed") throw new Error(`not completed: ${JSON.stringify(outcome)}`);
      return unpackValue(outcome.output);
    },
    nextProgress() {
      progressed = Promise.withResolvers();
      return progressed.promise;
    },
    begun(wanted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      begun = { count: wanted, resolve };
      if (reported.size >= wanted) resolve();
      return promise;
    },
    nextLine() {
      lineWritten = Promise.withResolvers();
      return lineWritten.promise;
    },
  };
  return kit;
}
