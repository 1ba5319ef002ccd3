/** What was acknowledged over all lives of a process that is killed again and again, and what became of it. */
export interface CrashLedger<Line> {
  readonly acknowledged: number;
  /** Each must be 0. */
  readonly figures: Readonly<Record<string, number>>;
  /** What else there is to tell. */
  readonly remarks: Readonly<Record<string, number>>;
  /** A sentence for each thing that is wrong. */
  readonly problems: readonly string[];
  /** Everything that was acknowledged. */
  readonly all: readonly string[];
  /** Those accepted last, and those that have not ended: what the next life is asked for. */
  toAsk(recent: number): readonly string[];
  /** A life begins; they are numbered from 1. */
  begin(life: number): void;
  /** What a life has said. */
  take(line: Line): void;
}
