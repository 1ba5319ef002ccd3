/** How a request ended, as the target told its caller. */
export interface Completion {
  readonly state: "completed" | "failed" | "cancelled";
  /** Of the error; null when it completed. */
  readonly code: string | null;
  /** Did the output carry the number of the request? Null where that cannot be told. */
  readonly carriesItsNumber: boolean | null;
}

/** One request as the target lists it after the run. */
export interface AuditRecord {
  readonly request: number;
  /** Null: it has not ended. */
  readonly end: Completion["state"] | null;
  /** Attempts that were charged. */
  readonly attempts: number;
  /** Attempts that were cut off and not charged. */
  readonly interruptions: number;
}

/** What the target counts by itself. */
export interface TargetCounts {
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Accepted and not ended. */
  readonly unended: number;
}

/** Everything a reader must know of the target to make sense of the figures. */
export interface TargetConditions {
  /** What one request is, in words. */
  readonly operation: string;
  readonly durability: string;
  readonly [name: string]: string | number | boolean | null;
}

/**
 * What load is put on. Requests have numbers from 0; none is used twice, so that the check can tell them apart.
 * A target is opened once and closed once.
 */
export interface Target {
  /** Resolves when the first request will not pay for anything that is done once. */
  open(): Promise<TargetConditions>;
  /** Resolves when the request is acknowledged. Rejects when it was refused, or when that is not known. */
  send(request: number): Promise<void>;
  /** Resolves when the end of an acknowledged request has reached the caller. */
  completion(request: number): Promise<Completion>;
  /** Everything that the target knows of this load, once nothing more is sent. */
  audit(): AsyncIterable<AuditRecord>;
  /** How many ended requests the audit can still know; older ones have left. */
  readonly remembers: number;
  /** Null when the target was not empty before, so that its counts are not this load's alone. */
  counts(): Promise<TargetCounts | null>;
  /** Figures of the target itself over the whole time, for the report. */
  figures(): Promise<readonly Figure[]>;
  close(): Promise<void>;
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}
