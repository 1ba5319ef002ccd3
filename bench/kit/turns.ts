/** What one measurement found, by the name under which its samples are kept. */
export type Figures = Readonly<Record<string, number>>;
export type Samples = Readonly<Record<string, readonly number[]>>;

/**
 * Each round makes every measurement once, in the order given, so that whatever else the machine does meets all of
 * them alike. The first round is warm-up and is not kept.
 */
export async function inTurns(
  rounds: number,
  measurements: readonly (() => Promise<Figures>)[],
): Promise<Samples> {
  const samples: Record<string, number[]> = {};
  for (let round = 0; round <= rounds; round++) {
    for (const measure of measurements) {
      const figures = await measure();
      progress(`round ${round} of ${rounds}`, figures);
      if (round === 0) continue;
      for (const [name, value] of Object.entries(figures)) (samples[name] ??= []).push(value);
    }
  }
  return samples;
}

/** For whoever waits; standard output is for the report. */
function progress(where: string, figures: Figures): void {
  const told = Object.entries(figures).map(([name, value]) => `${name} ${value.toPrecision(4)}`);
  process.stderr.write(`${where}: ${told.join(", ")}\n`);
}

/** Does a piece of work so many times, so many at once: a lane begins the next piece when its last one has ended. */
export async function inLanes(
  count: number,
  lanes: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
