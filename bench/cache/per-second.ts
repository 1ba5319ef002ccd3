/** How often a second something was done that was done so many times. */
export async function perSecond(times: number, work: () => unknown): Promise<number> {
  const startMs = performance.now();
  await work();
  return (times * 1_000) / (performance.now() - startMs);
}
