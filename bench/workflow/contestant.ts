/** What some workflows of three steps took. */
export interface Ran {
  readonly ms: number;
  /** Those that completed, of all that were started. */
  readonly completed: number;
}

/**
 * A durable workflow engine under measurement, ours or a rival. A workflow is three steps that do nothing, one after the
 * other; it has ended when its caller knows that it completed and that is on disk.
 */
export interface WorkflowContestant {
  /** Runs so many, so many at once: whoever has seen one end starts the next. */
  run(count: number, atOnce: number): Promise<Ran>;
}
