/** What a stretch of work took. */
export interface Timed {
  readonly ms: number;
  /** Times the disk was told to flush for it. */
  readonly fsyncs: number;
}

/**
 * A durable queue under measurement, ours or a rival. All are given the same tasks (`taskMessage`, about 200 bytes)
 * and are asked for the same acknowledgements. Preparing and tidying up are not timed.
 */
export interface Contestant {
  /** Submits tasks one by one, so many calls in flight, until all are acknowledged. None of them runs meanwhile. */
  submit(count: number, inFlight: number): Promise<Timed>;
  /** The same with handlers that do nothing, so many at once, until all completions are acknowledged too. */
  cycle(count: number, inFlight: number): Promise<Timed>;
  /** One task at a time, from submit to completed: microseconds of each. */
  trips(count: number): Promise<readonly number[]>;
}

/** Times the work, and the flushes that a counter saw during it. */
export async function timed(fsyncs: () => Promise<number>, work: () => Promise<void>): Promise<Timed> {
  const fsyncsBefore = await fsyncs();
  const sinceMs = performance.now();
  await work();
  const ms = performance.now() - sinceMs;
  return { ms, fsyncs: (await fsyncs()) - fsyncsBefore };
}

/** Microseconds of each of so many trips, one after the other. */
export async function timedTrips(count: number, trip: (index: number) => Promise<void>): Promise<number[]> {
  const trips: number[] = [];
  for (let index = 0; index < count; index++) {
    const sinceMs = performance.now();
    await trip(index);
    trips.push((performance.now() - sinceMs) * 1_000);
  }
  return trips;
}
