import { fault } from "../errors/index.ts";

/**
 * A launcher like npm hands Ctrl-C on although the terminal has sent it to both already; what comes in so short a
 * time is one and the same.
 */
const SAME_MS = 500;

/** Ctrl-C and termination as an abort signal. The second Ctrl-C ends the program at once. @param doing what it begins */
export function openInterrupts(
  tell: (text: string) => void,
  doing = "cancelling",
): {
  readonly signal: AbortSignal;
  /** Resolves with the first. */
  readonly interrupted: Promise<void>;
  close(): void;
} {
  const controller = new AbortController();
  const interrupted = Promise.withResolvers<void>();
  let firstMs = 0;
  const onSignal = (name: NodeJS.Signals): void => {
    const nowMs = performance.now();
    if (controller.signal.aborted) {
      if (nowMs - firstMs > SAME_MS) process.exit(130);
      return;
    }
    firstMs = nowMs;
    tell(`${doing}; once more to leave at once`);
    controller.abort(fault("CANCELLED", { what: "the run", reason: name === "SIGINT" ? "Ctrl-C" : name }));
    interrupted.resolve();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    signal: controller.signal,
    interrupted: interrupted.promise,
    close() {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
