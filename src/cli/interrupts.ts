import { fault } from "../errors/index.ts";

/** Ctrl-C and termination as an abort signal. The second Ctrl-C ends the program at once. */
export function openInterrupts(tell: (text: string) => void): { readonly signal: AbortSignal; close(): void } {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(130);
    tell("cancelling; once more to leave at once");
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
