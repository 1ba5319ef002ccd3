import { fault } from "../errors/index.ts";
import { unlessAborted } from "../scope/index.ts";
import type { System } from "../system/index.ts";

/** The way from a server, which lives as long as its client, to a system, which may not be there yet or any more. */
export interface SystemDoor {
  /**
   * The open system. After an attempt that failed, opens it anew.
   *
   * @throws why it cannot be opened; UNAVAILABLE when the server is stopping; CANCELLED when the signal aborts before
   *   it is open, and the attempt goes on for whoever comes next
   */
  opened(signal: AbortSignal): Promise<System>;
  /** For what is worth telling a system that is there, and not worth waiting for one. */
  report(tell: (system: System) => void): void;
  /** Closes what is open or still being opened; `opened` rejects from now on. Never rejects. */
  close(): Promise<void>;
}

/** The first attempt begins at once, behind the handshake. */
export function openDoor(open: () => Promise<System>): SystemDoor {
  let closed = false;
  let attempt: Promise<System> | undefined;
  /** Of the present attempt, once it has succeeded. */
  let current: System | undefined;

  const begin = (): Promise<System> => {
    const begun = open();
    attempt = begun;
    const forget = (): void => {
      if (attempt !== begun) return;
      attempt = undefined;
      current = undefined;
    };
    begun.then((system) => {
      if (attempt === begun) current = system;
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
      if (closed) throw fault("UNAVAILABLE", { what: "the system", why: "the server is stopping" });
      if (current !== undefined && !signal.aborted) return current;
      return unlessAborted(attempt ?? begin(), signal).catch((error: unknown) => {
        if (!signal.aborted || error !== signal.reason) throw error;
        throw fault("CANCELLED", { what: "waiting for the system" }, { cause: error });
      });
    },
    report(tell) {
      // Now, so that what is asked after it is answered after it.
      if (current !== undefined) tell(current);
      else attempt?.then(tell).catch(() => undefined);
    },
    async close() {
      closed = true;
      await attempt?.then((system) => system.close()).catch(() => undefined);
    },
  };
}
