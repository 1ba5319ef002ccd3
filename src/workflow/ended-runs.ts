import type { Store } from "../store/index.ts";
import type { RunStatus } from "./workflow.protocol.ts";

export interface EndedRun {
  readonly workflowId: string;
  readonly endedAtMs: number;
  readonly stepCount: number;
}

const STEPS = "SELECT coalesce(sum(step_count), 0) AS steps FROM runs WHERE ended_at_ms IS NOT NULL";
const OLDEST = `
  SELECT workflow_id AS workflowId, ended_at_ms AS endedAtMs, step_count AS stepCount
  FROM runs WHERE ended_at_ms IS NOT NULL ORDER BY ended_at_ms, sequence LIMIT ?`;
const LEAVE = [
  "INSERT INTO leaving_runs SELECT value FROM json_each(?)",
  "DELETE FROM kept_outputs WHERE workflow_id IN (SELECT value FROM json_each(?))",
  "DELETE FROM runs WHERE workflow_id IN (SELECT value FROM json_each(?))",
];
const LEAVING = "SELECT workflow_id AS workflowId FROM leaving_runs";
const LEFT = "DELETE FROM leaving_runs WHERE workflow_id = ?";

/** What a run counts for: its steps, or the items that a step has fanned out to. */
export function stepCountOf({ steps }: Pick<RunStatus, "steps">): number {
  return steps.reduce((count, { items }) => count + Math.max(1, items?.total ?? 1), 0);
}

/** What retention asks of the scheduler's file. */
export class EndedRuns {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Of all ended runs together. */
  get stepCount(): number {
    return this.#store.read((db) => db.prepare<{ steps: number }>(STEPS).get())?.steps ?? 0;
  }

  oldest(most: number): EndedRun[] {
    // Read as plain objects: rows have no prototype.
    return this.#store.read((db) => db.prepare<EndedRun>(OLDEST).all(most)).map((row) => ({ ...row }));
  }

  /** From now on nobody finds them, and all that is left of each is that its tasks are to go too. */
  leave(workflowIds: readonly string[]): Promise<void> {
    const list = JSON.stringify(workflowIds);
    return this.#store.write((db) => {
      for (const sql of LEAVE) db.prepare(sql).run(list);
    });
  }

  /** Runs that are gone, and whose tasks may not be. */
  leaving(): string[] {
    const rows = this.#store.read((db) => db.prepare<{ workflowId: string }>(LEAVING).all());
    return rows.map(({ workflowId }) => workflowId);
  }

  left(workflowId: string): Promise<void> {
    return this.#store.write((db) => void db.prepare(LEFT).run(workflowId));
  }
}
