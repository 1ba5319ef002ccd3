/**
 * What actors on any thread did, in one order for all of them: a list in shared memory. It goes to an actor as bytes
 * in its init, which share their memory with the test's.
 *
 *     | count | entry | entry | …      an entry: actor number * 16 + event
 */
const EVENTS = ["up", "abort", "cleanup", "exit", "late", "called"] as const;
export type JournalEvent = (typeof EVENTS)[number];

export const createJournal = (): Uint8Array => new Uint8Array(new SharedArrayBuffer(256));

/** @param actor 0 to 15 */
export function record(journal: Uint8Array, actor: number, event: JournalEvent): void {
  const at = Atomics.add(journal, 0, 1) + 1;
  Atomics.store(journal, at, actor * 16 + EVENTS.indexOf(event));
}

/** Such as `["up 0", "up 1", "cleanup 1"]`; of one kind of event, the actors' numbers alone. */
export function entries(journal: Uint8Array): string[] {
  return Array.from(journal.subarray(1, 1 + Atomics.load(journal, 0)), (entry) => `${EVENTS[entry % 16]} ${entry >> 4}`);
}

export function actorsOf(journal: Uint8Array, event: JournalEvent): number[] {
  return entries(journal)
    .filter((entry) => entry.startsWith(`${event} `))
    .map((entry) => Number(entry.slice(event.length + 1)));
}
