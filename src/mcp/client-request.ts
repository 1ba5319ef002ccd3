import {
  CLIENT_CAPABILITIES_META_KEY,
  TRACEPARENT_META_KEY,
  type ClientCapabilities,
  type Progress,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { TASKS_EXTENSION } from "./durable-work.ts";

/** What a request says beside its parameters, in the same words for both eras of the protocol. */
export interface ClientRequest {
  /** Aborts when the client gives up. */
  readonly signal: AbortSignal;
  readonly capabilities: ClientCapabilities;
  /** Whether the answer to a call may be a task that goes on. */
  readonly takesTasks: boolean;
  /**
   * The trace that the client says the request is part of, as it came: in `_meta`, or over HTTP in its header.
   *
   * @see https://www.w3.org/TR/trace-context/ and SEP-414
   */
  readonly traceparent: unknown;
  /** Tells the client how far its request is; undefined: it has not asked for that. */
  readonly notify: ((progress: Progress) => Promise<void>) | undefined;
  /** What the client answers to a question of an earlier round. */
  readonly responses: Record<string, unknown> | undefined;
  /** What that round left with the client. Anything may come back. */
  readonly state: string | undefined;
}

/** @param declared what the client said of itself when it connected; in the newer era every request says it anew */
export function clientRequest(
  { mcpReq, http }: ServerContext,
  declared: ClientCapabilities | undefined,
): ClientRequest {
  const { signal, inputResponses, _meta } = mcpReq;
  const envelope: Readonly<Record<string, unknown>> = mcpReq.envelope ?? {};
  // The package has held the envelope against its schema, and keeps the type to itself.
  const told = envelope[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities | undefined;
  const progressToken = _meta?.progressToken;
  return {
    signal,
    takesTasks: told?.extensions?.[TASKS_EXTENSION] !== undefined,
    capabilities: told ?? declared ?? {},
    // The message says it of itself; the header may have been put there by anyone on its way.
    traceparent: _meta?.[TRACEPARENT_META_KEY] ?? http?.req?.headers.get("traceparent"),
    notify:
      progressToken === undefined
        ? undefined
        : async (progress) => {
            // Nothing may follow to a request that its client has cancelled.
            if (signal.aborted) return;
            await mcpReq.notify({ method: "notifications/progress", params: { ...progress, progressToken } });
          },
    responses: inputResponses,
    state: mcpReq.requestState<string>(),
  };
}

/** @see https://modelcontextprotocol.io/specification/2026-07-28/client/elicitation an empty capability means forms */
export function canAsk({ elicitation }: ClientCapabilities): boolean {
  return elicitation !== undefined && (elicitation?.form !== undefined || elicitation?.url === undefined);
}
