import { ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import { isFault, toWireError } from "../errors/index.ts";

/** What a client asked for, and not what became of it, is wrong. */
const CLIENT_CODES: ReadonlySet<string> = new Set([
  "INVALID_ARGUMENT",
  "INPUT_INVALID",
  "WORKFLOW_NOT_FOUND",
  "TASK_NOT_FOUND",
  "UNKNOWN_NAME",
  "WORKFLOW_NOT_FINISHED",
  "TASK_NOT_FINISHED",
  "SIZE_EXCEEDED",
]);

/**
 * The error of a request that is no tool call: `data` has its code, and whether the same request may succeed later. What
 * is not expected to go wrong is not told: its text may hold anything.
 *
 * @param onDefect told of what was not expected
 */
export function protocolError(error: unknown, onDefect: (error: unknown) => void): ProtocolError {
  if (error instanceof ProtocolError) return error;
  if (!isFault(error) || isFault(error, "DEFECT")) {
    onDefect(error);
    return new ProtocolError(ProtocolErrorCode.InternalError, "the request met a fault of this server");
  }
  const { code, message } = toWireError(error);
  return failedRequest({ code, message, retryable: error.retryable });
}

/** A failure that is known by its code. */
export function failedRequest(failure: { code: string; message: string; retryable: boolean }): ProtocolError {
  const { code, message, retryable } = failure;
  const kind = CLIENT_CODES.has(code) ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
  return new ProtocolError(kind, message, { code, retryable });
}
