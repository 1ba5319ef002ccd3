import type { TaskLogLevel } from "./thread-message.ts";

/** As much of `process.stdout` as capturing needs. */
export interface Printer {
  write: (chunk: string | Uint8Array, ...rest: unknown[]) => boolean;
}

/**
 * Turns what is printed into log records, one per write. Standard output belongs to whatever protocol the process
 * speaks there, and one line of a handler in it would break the other side. `console` writes through these streams,
 * so it is captured with them; a direct write to file descriptor 1 is not.
 *
 * @returns a function that gives the stream its own `write` back
 */
export function capturePrinted(
  printer: Printer,
  level: TaskLogLevel,
  record: (level: TaskLogLevel, text: string) => void,
): () => void {
  const original = printer.write;
  printer.write = (chunk, ...rest) => {
    const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8");
    record(level, text.replace(/\n$/, ""));
    // Whoever waits for the write to be done is told so, but not within the call: streams never do that.
    const done = rest.at(-1);
    if (typeof done === "function") process.nextTick(done);
    return true;
  };
  return () => {
    printer.write = original;
  };
}
