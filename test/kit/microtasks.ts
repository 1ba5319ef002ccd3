/** Taken at load: a test that puts fake timers in place must not stop the kit. */
const nextTurn = setImmediate;

/**
 * Resolves when every microtask that is ready has run, and every one that those made ready, however long the chain.
 *
 * Awaiting a resolved promise would let exactly one link of each chain run; a turn of the event loop starts only when
 * the microtask queue is empty, so waiting for one is the exact measure.
 */
export function microtasksDrained(): Promise<void> {
  return new Promise((resolve) => void nextTurn(resolve));
}
