/**
 * Every bound of the system in one table: `docs/limits.md` is generated from it, and code refers to it by name, so
 * that no number stands in two places. Where an option overrides a limit, `option` names it.
 */

interface Limit {
  readonly value: number;
  readonly unit: string;
  readonly means: string;
  /** The option that overrides it; absent = fixed. */
  readonly option?: string;
}

const limit = (value: number, unit: string, means: string, option?: string): Limit => ({
  value,
  unit,
  means,
  ...(option === undefined ? {} : { option }),
});

export const LIMITS = {
  mailboxMessages: limit(1_024, "messages", "Messages that wait in one mailbox from one caller.", "mailbox.messages"),
  ringBytes: limit(262_144, "bytes", "Ring of one direction of one link; a power of two.", "mailbox.ringBytes"),
  messageBytes: limit(16 * 2 ** 20, "bytes", "One message, carried in pieces where it is larger than a quarter of the ring."),
  callsInFlight: limit(16_384, "calls", "Calls of one caller to one actor that wait for their reply."),
  subscriptions: limit(256, "subscriptions", "Event subscriptions of one caller to one actor."),
  eventBuffer: limit(1_024, "events", "Events that wait for one subscriber.", "on.event({ buffer })"),
  callTimeoutMs: limit(5_000, "ms", "How long a call waits for its reply.", "call(…, { timeoutMs })"),
  startTimeoutMs: limit(10_000, "ms", "How long the setup of an actor may take.", "startTimeoutMs"),
  shutdownMs: limit(5_000, "ms", "How long an actor may take to stop before its thread is terminated.", "shutdownMs"),
  restarts: limit(5, "restarts", "Restarts within the period below before a supervisor gives up.", "intensity.restarts"),
  restartPeriodMs: limit(10_000, "ms", "The period in which restarts are counted.", "intensity.periodMs"),
  children: limit(256, "actors", "Actors of one system."),
} as const satisfies Record<string, Limit>;
