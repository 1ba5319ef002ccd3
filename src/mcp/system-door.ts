import { fault, isFault } from "../errors/index.ts";
import { systemClock, type Clock } from "../scope/index.ts";
import type { System } from "../system/index.ts";

/** The way from a server, which lives as long as its client, to a system, which may not be there yet or any more. */
export interface SystemDoor {
  /**
   * The open system. After an attempt that failed, opens it anew; one that another process owns is waited for a
   * little, since a client that probes a server starts it twice.
   */
  opened(signal: AbortSignal): Promise<System>;
  /** For what is worth telling a system that is there, and not worth waiting for one. */
  report(tell: (system: System) => void): void;
  /** Closes what is open or still being opened; `opened` rejects from now on. Never rejects. */
  close(): Promise<void>;
}

/** How long a call waits for another process to give the data directory up. */
const OWNED_MS = 5_000;
const BETWEEN_TRIES_MS = 100;

/** The first attempt begins at once, behind the handshake. */
export function openDoor(open: () => Promise<System>, clock: Clock = systemClock): SystemDoor {
  let closed = false;
  let attempt: Promise<System> | undefined;

  const begin = (): Promise<System> => {
    const begun = open();
    attempt = begun;
    const forget = (): void => {
      if (attempt === begun) attempt = undefined;
    };
    begun.then((system) => {
      // A system that cannot be kept up is taken away, and the next call opens another.
      system.failed.catch(() => {
        forget();
        void system.close().catch(() => undefined);
      });
    }, forget);
    return begun;
  };
  void begin();

  return {
    async opened(signal) {
      const untilMs = clock.now() + OWNED_MS;
      for (;;) {
        if (closed) throw fault("UNAVAILABLE", { what: "the system", why: "the server is stopping" });
        try {
          return await (attempt ?? begin());
        } catch (error) {
          if (!isFault(error, "STORE_OWNED") || clock.now() >= untilMs) throw error;
          await pause(BETWEEN_TRIES_MS, signal, clock);
        }
      }
    },
    report(tell) {
      attempt?.then(tell).catch(() => undefined);
    },
    async close() {
      closed = true;
      await attempt?.then((system) => system.close()).catch(() => undefined);
    },
  };
}

function pause(ms: number, signal: AbortSignal, clock: Clock): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = clock.at(clock.now() + ms, over.resolve);
  const onAbort = (): void =>
    over.reject(fault("CANCELLED", { what: "waiting for the system" }, { cause: signal.reason }));
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  return over.promise.finally(() => {
    timer.cancel();
    signal.removeEventListener("abort", onAbort);
  });
}
