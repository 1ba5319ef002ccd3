import type { WireError } from "../errors/index.ts";

const TEXT_CHARS = 300;

/** What is said of an error where it is said many times: of one failure, by each of the steps that it keeps from running. */
export function briefError({ code, message }: WireError): WireError {
  const text = message.length <= TEXT_CHARS ? message : `${message.slice(0, TEXT_CHARS)}…`;
  return { code, message: text.toWellFormed(), details: {} };
}
