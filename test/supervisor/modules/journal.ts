/**
 * What actors on any thread did, in one order for all of them: a list in shared memory. It goes to an actor as bytes
 * in its init, which share their memory with the test's.
 *
 *     | count | entry | entry | …      words; an entry: actor number * 16 + event
 */
const EVENTS = ["begun", "up", "abort", "cleanup", "exit", "late", "called"] as const;
export type JournalEvent = (typeof EVENTS)[number];

export const createJournal = (): Uint8Array => new Uint8Array(new SharedArrayBuffer(65_536));

const words = (journal: Uint8Array): Int32Array => new Int32Array(journal.buffer);

export function record(journal: Uint8Array, actor: number, event: JournalEvent): void {
  const at = Atomics.add(words(journal), 0, 1) + 1;
  Atomics.store(words(journal), at, actor * 16 + EVENTS.indexOf(event));
}

/** Such as `["up 0", "up 1", "cleanup 1"]`. */
export function entries(journal: Uint8Array): string[] {
  const count = Atomics.load(words(journal), 0);
  return Array.from(words(journal).subarray(1, 1 + count), (entry) => `${EVENTS[entry % 16]} ${entry >> 4}`);
}

/** Of one kind of event, the actors' numbers alone. */
export function actorsOf(journal: Uint8Array, event: JournalEvent): number[] {
  return entries(journal)
    .filter((entry) => entry.startsWith(`${event} `))
    .map((entry) => Number(entry.slice(event.length + 1)));
}
