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
  close(): void;
} {
  const controller = new AbortController();
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
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    signal: controller.signal,
    close() {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
