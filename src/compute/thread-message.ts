import type { WireError } from "../errors/index.ts";

/** What the pool and a handler thread say to each other. Both sides import this file, so it holds little else. */

export interface Progress {
  /** 0 to 1. */
  readonly fraction: number;
  readonly message: string;
}

/** Which attempt of which task it is that says something. */
export interface AttemptName {
  readonly taskId: string;
  /** The fencing token of its lease. */
  readonly token: number;
  /** From 1. */
  readonly attempt: number;
  /** W3C trace context of this attempt; absent: it is part of no trace. */
  readonly traceparent?: string;
}

/**
 * What handlers and people are told as the id of a task. Attempts that are made for no task of the queue have something
 * before it that tells them apart from all tasks, whose ids hold no NUL.
 */
export const plainTaskId = (taskId: string): string => taskId.slice(taskId.lastIndexOf("\0") + 1);

export interface AttemptRequest extends AttemptName {
  readonly kind: "run";
  readonly slot: number;
  readonly action: string;
  readonly timeoutMs: number;
  readonly input: Uint8Array;
}

/** Has a thread serve many attempts, which come and go through the port, until it is told to close. */
export interface ShareRequest {
  readonly kind: "share";
  /** Of the thread itself, not of an attempt. */
  readonly slot: number;
  readonly token: number;
  /** What `SharedState` is made from. */
  readonly state: SharedArrayBuffer;
}

export interface DescribeRequest {
  readonly kind: "describe";
  readonly slot: number;
  readonly token: number;
}

/**
 * `thread`: an attempt has its thread alone, with a limit on its memory, and whatever it does to the thread hits nobody
 * else. `shared`: up to 128 attempts run on one thread, which suits short work and work that waits.
 */
export type Isolation = "thread" | "shared";

/** A handler by its name, as `describe` reports it. */
export interface HandlerInfo {
  readonly name: string;
  readonly description: string;
  /** URL of the module that defines it, or "built-in". */
  readonly module: string;
  /** Its own time-out for one attempt; null = the queue's. */
  readonly timeoutMs: number | null;
  readonly isolation: Isolation;
  /** Of the module's own file, in hex, so that a run can tell that its handlers changed; null for the built-in ones. */
  readonly moduleSha256: string | null;
}

/** `stopped`: the pool had told it to stop before it ended, and knows why. */
export type ThreadReply =
  | { readonly kind: "completed"; readonly output: Uint8Array; readonly progress: Progress | null }
  | { readonly kind: "failed"; readonly error: WireError; readonly progress: Progress | null }
  | { readonly kind: "described"; readonly handlers: readonly HandlerInfo[] }
  | { readonly kind: "closed" }
  | { readonly kind: "stopped" };

export type TaskLogLevel = "info" | "error";
export type TaskLogFields = Readonly<Record<string, unknown>>;

/** Sent while an attempt runs, beside its reply; what it left running may send more when it is over. */
export type ThreadMessage =
  | (Progress & { readonly kind: "mcplusplus.progress"; readonly by: AttemptName })
  | {
      readonly kind: "mcplusplus.log";
      /** Null for what a module prints while it is imported. */
      readonly by: AttemptName | null;
      readonly level: TaskLogLevel;
      readonly message: string;
      readonly fields: TaskLogFields;
    };

/** What a handler thread is given when it starts. */
export interface ThreadSetup {
  readonly slots: SharedArrayBuffer;
  readonly modules: readonly string[];
  readonly roots: readonly string[];
  readonly allowedHosts: readonly string[];
  readonly blobsDirectory: string | null;
}
