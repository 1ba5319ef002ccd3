/**
 * Calls `aborted` once, with the signal that aborted first; at once, if one has aborted already.
 *
 * `AbortSignal.any` would do the same, but offers no way to let go: a short scope under a signal that lives as long
 * as the process must leave nothing on it.
 *
 * @returns Takes every listener off again; idempotent, and done by itself after the call.
 */
export function linkSignals(
  signals: readonly AbortSignal[],
  aborted: (signal: AbortSignal) => void,
): () => void {
  const already = signals.find((signal) => signal.aborted);
  if (already) {
    aborted(already);
    return () => {};
  }
  const unlink = (): void => {
    for (const signal of signals) signal.removeEventListener("abort", listener);
  };
  const listener = (event: Event): void => {
    unlink();
    // Not `currentTarget`: Node clears that after the first listener of a signal.
    aborted(event.target as AbortSignal);
  };
  for (const signal of signals) signal.addEventListener("abort", listener);
  return unlink;
}
