import { type Fault, fault } from "../errors/index.ts";
import type { Phase, Slots } from "./slots.ts";
import type { AttemptRequest } from "./thread-message.ts";

/** How one attempt learns that it is to stop: by looking at the shared word, or by being woken by it. */
export interface StopSignal {
  /** @throws CANCELLED, again and again, once the attempt is to stop */
  checkpoint(): void;
  /** The same signal each time; made when it is first asked for, since many handlers never look. */
  signal(): AbortSignal;
  /** From here on the slot may belong to another attempt: what is known now stays. */
  end(): void;
}

/** Longest interval of a timer that only holds the event loop open. */
const HOLD_MS = 2 ** 30;

export function createStopSignal(slots: Slots, request: AttemptRequest): StopSignal {
  const { slot, token } = request;
  let controller: AbortController | null = null;
  let told = false;
  let lastPhase: Phase | "gone" | null = null;
  let hold: NodeJS.Timeout | undefined;

  const reason = (): Fault | null => reasonOf(lastPhase ?? slots.phase(slot, token), request);
  const look = (): void => {
    if (controller === null || told) return;
    const why = reason();
    if (why === null) return;
    // First the mark: aborting reads `aborted`, which looks.
    told = true;
    controller.abort(why);
  };
  /** A waiting handler is woken by the word itself; `waitAsync` alone would let the thread's event loop end. */
  const wakeWhenStopped = async (): Promise<void> => {
    hold = setInterval(() => {}, HOLD_MS);
    await slots.untilNotRunning(slot, token);
    clearInterval(hold);
    look();
  };

  return {
    checkpoint() {
      const why = reason();
      if (why === null) return;
      look();
      throw why;
    },
    signal() {
      if (controller === null) {
        controller = new AbortController();
        letReadersLook(controller.signal, look);
        void wakeWhenStopped();
      }
      return controller.signal;
    },
    end() {
      lastPhase = slots.phase(slot, token);
      clearInterval(hold);
      look();
    },
  };
}

/** A loop that never waits sees `aborted` turn true only if reading it reads the shared word. */
function letReadersLook(signal: AbortSignal, look: () => void): void {
  const inherited = Object.getOwnPropertyDescriptor(AbortSignal.prototype, "aborted")?.get;
  Object.defineProperty(signal, "aborted", {
    configurable: true,
    get(): boolean {
      look();
      return inherited?.call(signal) === true;
    },
  });
  Object.defineProperty(signal, "throwIfAborted", {
    configurable: true,
    value: () => {
      if (signal.aborted) throw signal.reason;
    },
  });
}

/** An attempt that ended by itself is not told to stop: what it left running may still finish. */
function reasonOf(phase: Phase | "gone", { taskId, timeoutMs }: AttemptRequest): Fault | null {
  const what = `task "${taskId}"`;
  if (phase === "cancelled") return fault("CANCELLED", { what });
  if (phase === "timedOut") {
    return fault("CANCELLED", { what, reason: `its time of ${timeoutMs / 1000} s ran out` });
  }
  return null;
}
