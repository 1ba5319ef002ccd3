import { Bench } from "tinybench";

const NS_PER_MS = 1e6;

/**
 * Times small pieces of work side by side and gives the samples, in nanoseconds per run, that the suite then sums up
 * like any others.
 */
export async function nanosecondsPerRun(
  work: Readonly<Record<string, () => void>>,
): Promise<Record<string, number[]>> {
  const bench = new Bench({ time: 300, warmupTime: 100, retainSamples: true });
  for (const [name, run] of Object.entries(work)) bench.add(name, run);
  await bench.run();
  return Object.fromEntries(
    bench.tasks.map(({ name, result }) => {
      if (!("latency" in result)) throw new Error(`${name} was not measured: ${result.state}`);
      return [name, (result.latency.samples ?? []).map((ms) => ms * NS_PER_MS)];
    }),
  );
}
