import { fileURLToPath } from "node:url";
import { isCancellation, isFault, sentenceOf } from "../errors/index.ts";

/** Exit code after a cancellation by Ctrl-C: 128 + SIGINT, as shells have it. */
export const INTERRUPTED = 130;
const FAILED = 1;
const WRONG_USAGE = 2;

/** What `--json` says of a command that has nothing else to say. */
export interface Failure {
  readonly success: false;
  readonly error: string;
  readonly code: string;
  readonly retryable: boolean;
}

/** One line for a person: handlers put what they like into their messages, line breaks and escapes included. */
export function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what it is for
  return text.replace(/\s*[\u0000-\u001f\u007f-\u009f]+\s*/g, " ").trim();
}

/** Whatever was thrown, as one sentence; files are named by their path. */
export function sentenceFor(error: unknown): string {
  return oneLine(sentenceOf(error).replace(/\bfile:\/\/\/[^\s'"]+(?=[:;,]?(\s|$|['"]))/g, pathOf));
}

export function failureOf(error: unknown): Failure {
  const code = isFault(error) ? error.code : isCancellation(error) ? "CANCELLED" : "DEFECT";
  return { success: false, error: sentenceFor(error), code, retryable: isFault(error) && error.retryable };
}

export function exitCodeOf(error: unknown): number {
  if (isCancellation(error)) return INTERRUPTED;
  return isFault(error, "INVALID_ARGUMENT") || isFault(error, "UNKNOWN_NAME") ? WRONG_USAGE : FAILED;
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    return url;
  }
}
