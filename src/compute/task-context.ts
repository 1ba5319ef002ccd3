import { Reference, tryPack } from "../codec/index.ts";
import { LIMITS, fault, sentenceOf } from "../errors/index.ts";
import type { Clock, Timer } from "../scope/index.ts";
import type { BlobStore } from "../store/index.ts";
import { allowedPath } from "./allowed-path.ts";
import { replaceWholeFile } from "./replace-file.ts";
import { addressesOf, touchValues } from "./references.ts";
import type { Slots } from "./slots.ts";
import { createStopSignal } from "./stop-signal.ts";
import { shortText, type TaskLog } from "./task-log.ts";
import {
  plainTaskId,
  type AttemptRequest,
  type Progress,
  type TaskLogFields,
  type ThreadMessage,
} from "./thread-message.ts";

/** What a handler is given beside its input. Its functions may be taken apart (`{ signal, progress }`). */
export interface TaskContext {
  readonly taskId: string;
  /** From 1. */
  readonly attempt: number;
  /**
   * W3C trace context of this attempt, to be sent along with whatever it asks of others: the trace of whoever submitted
   * the task, with a span of its own. Undefined when the submitter said nothing of one.
   *
   * @see https://www.w3.org/TR/trace-context/
   */
  readonly traceparent?: string | undefined;
  /**
   * Aborts when the task is cancelled or its time has run out. `signal.aborted` is true at once, also in a loop that
   * never waits; listeners run when the handler waits, or at the next look at `aborted` or `checkpoint`.
   */
  readonly signal: AbortSignal;
  /**
   * Call it in long loops; it costs well below a microsecond.
   *
   * @throws CANCELLED, again and again, once the task is to stop
   */
  checkpoint(): void;
  /**
   * Says how far the work is. Several calls within 100 ms count as one; the last one always arrives.
   *
   * @param fraction from 0 to 1; what lies outside is taken as the nearer end
   * @throws INVALID_ARGUMENT when it is no number
   */
  progress(fraction: number, message?: string): void;
  /** Writes to the task's log, as `console.log` does; at most 1,000 records an attempt. */
  log(message: string, fields?: TaskLogFields): void;
  /**
   * Stores a large part of the output now, by its content, and returns what to put in its place. Whoever takes the
   * output as input gets the value.
   *
   * @throws NOT_A_WIRE_VALUE, CANCELLED; BLOB_MISSING when it refers to nothing; UNAVAILABLE when the queue keeps nothing
   *   on disk
   */
  keep(value: unknown): Promise<Reference>;
  /**
   * The real path of a file or directory that handlers may touch; it need not exist.
   *
   * @param path relative to the first allowed root, or absolute
   * @throws INVALID_ARGUMENT when it leads out of all allowed roots, by a symbolic link too
   */
  path(path: string): string;
  /**
   * Replaces a whole file, or makes it and its directories. Others see the old content or the new, never a part; after
   * a cancellation nothing is replaced. When it resolves, the content is on disk.
   *
   * @throws INVALID_ARGUMENT as `path` does; CANCELLED; FILE_UNWRITABLE
   */
  writeFile(path: string, content: string | Uint8Array): Promise<void>;
}

export interface ContextServices {
  readonly slots: Slots;
  readonly clock: Clock;
  readonly roots: readonly string[];
  /** Null when nothing is kept on disk. */
  readonly blobs: Pick<BlobStore, "get" | "put" | "touch" | "pieces"> | null;
  readonly post: (message: ThreadMessage) => void;
}

/** Progress is sent at most this often; what comes faster is merged. */
export const PROGRESS_INTERVAL_MS = 100;

export interface OpenContext {
  readonly context: TaskContext;
  /** Ends what the context still does; returns the progress that was not sent yet. */
  end(): Progress | null;
}

/** The context of one attempt, good until `end`; what a handler left running does with it afterwards has no effect. */
export function openContext(request: AttemptRequest, log: TaskLog, services: ContextServices): OpenContext {
  const { taskId, attempt, traceparent } = request;
  const { slots, clock, roots, blobs, post } = services;
  const stop = createStopSignal(slots, request);
  const reporter = createReporter(request, clock, post);

  const context: TaskContext = {
    taskId: plainTaskId(taskId),
    attempt,
    traceparent,
    get signal() {
      return stop.signal();
    },
    checkpoint: () => stop.checkpoint(),
    progress: (fraction, message = "") => {
      if (typeof fraction !== "number" || Number.isNaN(fraction)) {
        throw fault("INVALID_ARGUMENT", {
          argument: "fraction",
          got: String(fraction),
          allowed: "a number from 0 to 1",
        });
      }
      const text = shortText(message, LIMITS.compute.progressChars);
      reporter.report({ fraction: Math.min(1, Math.max(0, fraction)), message: text });
    },
    log: (message, fields) => log.write("info", message, fields),
    async keep(value) {
      stop.checkpoint();
      const packed = tryPack(value);
      if (packed.bytes === undefined) {
        throw fault("NOT_A_WIRE_VALUE", {
          what: `what task "${plainTaskId(taskId)}" keeps`,
          found: packed.found,
        });
      }
      if (blobs === null) {
        throw fault("UNAVAILABLE", { what: "keep", why: "the queue keeps nothing on disk" });
      }
      await touchValues(addressesOf(packed.references), blobs);
      const { sha256, sizeBytes } = await blobs.put(packed.bytes);
      return new Reference(sha256, sizeBytes);
    },
    path: (path) => allowedPath(path, roots),
    async writeFile(path, content) {
      stop.checkpoint();
      const real = allowedPath(path, roots);
      try {
        await replaceWholeFile(real, content, stop.checkpoint);
      } catch (error) {
        stop.checkpoint();
        throw fault("FILE_UNWRITABLE", { path: real, why: sentenceOf(error) }, { cause: error });
      }
    },
  };
  return {
    context: Object.freeze(context),
    end() {
      stop.end();
      return reporter.end();
    },
  };
}

interface Reporter {
  report(progress: Progress): void;
  end(): Progress | null;
}

/** Sends the first report at once and then the newest one per interval: also from a handler that never waits. */
function createReporter(
  { taskId, token, attempt }: AttemptRequest,
  clock: Clock,
  post: (message: ThreadMessage) => void,
): Reporter {
  let newest: Progress | null = null;
  let nextAtMs = Number.NEGATIVE_INFINITY;
  let timer: Timer | null = null;
  let ended = false;

  const send = (): void => {
    timer?.cancel();
    timer = null;
    if (newest === null) return;
    post({ kind: "mcplusplus.progress", by: { taskId, token, attempt }, ...newest });
    newest = null;
    nextAtMs = clock.now() + PROGRESS_INTERVAL_MS;
  };
  return {
    report(progress) {
      if (ended) return;
      newest = progress;
      if (clock.now() >= nextAtMs) send();
      else timer ??= clock.at(nextAtMs, send);
    },
    end() {
      ended = true;
      timer?.cancel();
      return newest;
    },
  };
}
