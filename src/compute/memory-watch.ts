import type { Worker } from "node:worker_threads";
import { watchThread } from "./thread-watch.ts";

/**
 * When a handler has used up its memory: V8's own limit on a thread is a bad judge of that. Node grants a thread 16 MB
 * more to end in, and an array that grows, a Map that rehashes or a string that is flattened asks for more than that
 * in one go, whereupon V8 aborts the whole process. So V8's limit stands far above the promise, and the promise is
 * kept by looking at the thread from outside.
 *
 * ```
 *  0            heapMb          endAtMb                       v8LimitMb
 *  ├── promised ──┼── may be ─────┼── what one allocation can ────┤ V8 ends the thread,
 *  │              │   garbage     │   add before the next look    │ or the process
 * ```
 */
export interface MemoryBounds {
  /** The thread is ended when a look finds more than this in use, heap and array buffers together. */
  readonly endAtMb: number;
  /** What V8 is told. */
  readonly v8LimitMb: number;
}

/**
 * What is in use counts garbage that V8 has not collected, and nothing outside the thread can make it collect. Below
 * a limit of 2 GB it lets a heap grow to twice what survived, above to half way to the limit, so more than twice
 * the promise is not garbage alone. A fresh thread collects first at some 200 MB, however small the promise is.
 */
const GARBAGE_MB = { min: 192, max: 1_024 };

/** The largest array or string takes 1 GB, and 256 MB are more than is allocated from one look to the next. */
const ROOM_MB = 1_280;

export function memoryBounds(heapMb: number): MemoryBounds {
  const endAtMb = heapMb + Math.min(Math.max(heapMb, GARBAGE_MB.min), GARBAGE_MB.max);
  return { endAtMb, v8LimitMb: endAtMb + ROOM_MB };
}

const BYTES_PER_MB = 1_048_576;

/**
 * Ends a thread that has more memory in use than it may. What is shared between threads is not counted, as it is
 * nobody's.
 *
 * @see watchThread for the rest
 */
export function watchMemory(
  thread: () => Worker | null,
  endAtMb: number,
  end: (thread: Worker) => void,
): () => number | null {
  const isOver = async (seen: Worker): Promise<boolean> => {
    const { used_heap_size: heap, external_memory: buffers } = await seen.getHeapStatistics();
    return (heap + buffers) / BYTES_PER_MB > endAtMb;
  };
  return watchThread(thread, isOver, end);
}
