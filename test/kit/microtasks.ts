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

/** Waits that one turn of the event loop can serve. */
const WAITS_PER_TURN = 64;
const waiting: (() => void)[] = [];
let immediates = 0;

/**
 * As `microtasksDrained`, at a third of its cost, for whoever waits thousands of times and never for I/O: Node empties
 * the microtask queue, and reports rejections that nobody handles, between any two immediates of one turn too. So they
 * are queued many at a time, and what the last ones of a turn find nobody waiting for is nothing.
 */
export function microtasksDrainedInTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (immediates === 0) queueImmediates();
  });
}

function queueImmediates(): void {
  immediates = WAITS_PER_TURN;
  for (let left = immediates; left > 0; left--) nextTurn(resume);
}

function resume(): void {
  immediates -= 1;
  waiting.shift()?.();
  if (immediates === 0 && waiting.length > 0) queueImmediates();
}
