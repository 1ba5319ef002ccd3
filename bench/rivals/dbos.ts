import { inLanes } from "../kit/turns.ts";
import type { WorkflowContestant } from "../workflow/contestant.ts";
import { startPostgres } from "./postgres.ts";
import { load, versionOf } from "./rival.ts";

interface Dbos {
  setConfig(config: {
    name: string;
    applicationVersion: string;
    systemDatabaseUrl: string;
    systemDatabasePoolSize: number;
    logLevel: string;
    runAdminServer: boolean;
  }): void;
  launch(): Promise<void>;
  shutdown(): Promise<void>;
  registerWorkflow<T>(run: () => Promise<T>, options: { name: string }): () => Promise<T>;
  runStep<T>(run: () => Promise<T>, options: { name: string }): Promise<T>;
}
interface DbosModule {
  readonly DBOS: Dbos;
}

/** As many as its engine is given here: each commit waits for the disk by itself, so more of them share a flush. */
const CONNECTIONS = 32;

export interface WorkflowRival {
  readonly is: string;
  readonly contestant: WorkflowContestant;
  close(): Promise<void>;
}

/**
 * DBOS Transact on a PostgreSQL of the bench's own: a workflow is a function whose steps are written down one by one.
 *
 * @see https://docs.dbos.dev/typescript/programming-guide
 */
export async function startDbos(): Promise<WorkflowRival> {
  const { DBOS } = await load<DbosModule>("@dbos-inc/dbos-sdk");
  const postgres = await startPostgres();
  try {
    const step = (): Promise<null> => Promise.resolve(null);
    const workflow = DBOS.registerWorkflow(
      async () => {
        for (const name of ["first", "second", "third"]) await DBOS.runStep(step, { name });
        return "done";
      },
      { name: "three" },
    );
    DBOS.setConfig({
      name: "bench",
      applicationVersion: "1",
      systemDatabaseUrl: `postgresql://${postgres.user}@localhost/bench?host=${encodeURIComponent(postgres.host)}`,
      systemDatabasePoolSize: CONNECTIONS,
      logLevel: "error",
      runAdminServer: false,
    });
    await DBOS.launch();
    return {
      is: `DBOS ${await versionOf("@dbos-inc/dbos-sdk")} on postgresql (fsync on, synchronous_commit on)`,
      contestant: {
        async run(count, atOnce) {
          let completed = 0;
          const sinceMs = performance.now();
          await inLanes(count, atOnce, async () => {
            if ((await workflow()) === "done") completed += 1;
          });
          return { ms: performance.now() - sinceMs, completed };
        },
      },
      async close() {
        await DBOS.shutdown();
        await postgres.stop();
      },
    };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}
