import {
  INVALID_PARAMS,
  INVALID_REQUEST,
  PARSE_ERROR,
  isInitializeRequest,
  isJSONRPCRequest,
  type JSONRPCMessage,
  type RequestId,
} from "@modelcontextprotocol/server";
import { shortText } from "../schema/index.ts";

/** What a line from a client is: a message, nothing, or something that is answered with an error. */
export type Incoming =
  | { readonly kind: "message"; readonly message: JSONRPCMessage }
  | { readonly kind: "nothing" }
  | { readonly kind: "wrong"; readonly id?: RequestId; readonly code: number; readonly why: string };

/**
 * Reads one line of JSON-RPC. A client whose line cannot be read waits for its answer for ever unless it is told;
 * only what is itself an answer is never answered, or two peers would send errors back and forth.
 *
 * @see https://www.jsonrpc.org/specification
 */
export function readIncoming(line: string): Incoming {
  const text = line.replace(/^\uFEFF/, "").trim();
  if (text === "") return { kind: "nothing" };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return wrong(PARSE_ERROR, "the line is no JSON");
  }
  if (Array.isArray(value)) return wrong(INVALID_REQUEST, "batches are not part of this protocol");
  if (typeof value !== "object" || value === null) return wrong(INVALID_REQUEST, "the line is no object");
  const { jsonrpc, id, method } = value as { jsonrpc?: unknown; id?: unknown; method?: unknown };
  // With a method it is a request that went wrong, and its client waits.
  const isAnswer = ("result" in value || "error" in value) && method === undefined;
  const own = isId(id) ? id : undefined;
  if (isAnswer) return own !== undefined && jsonrpc === "2.0" ? message(value) : { kind: "nothing" };
  if (jsonrpc !== "2.0") return wrong(INVALID_REQUEST, 'jsonrpc is not "2.0"', own);
  if (typeof method !== "string") return wrong(INVALID_REQUEST, "there is no method", own);
  if ("id" in value && own === undefined)
    return wrong(INVALID_REQUEST, "the id is neither text nor a whole number");
  // Nobody waits for the answer to a notification.
  if (own === undefined) return message(value);
  const problem = requestProblem(value);
  if (problem) return wrong(problem.code, problem.why, own);
  return message(value);
}

/** What is wrong about a request beyond its id and its method; undefined: nothing that is seen before it is served. */
export function requestProblem(value: object): { readonly code: number; readonly why: string } | undefined {
  if (hidesKey(value)) return { code: INVALID_PARAMS, why: 'the arguments hold the key "__proto__"' };
  if (!isJSONRPCRequest(value)) return { code: INVALID_REQUEST, why: misshapen(value) };
  // The package would say of it that the server has failed.
  if (value.method === "initialize" && !isInitializeRequest(value))
    return { code: INVALID_PARAMS, why: "initialize takes protocolVersion, capabilities and clientInfo" };
  return undefined;
}

/** Why a request is none for the protocol's package, which would leave it out without a word. */
function misshapen(value: object): string {
  const surplus = Object.keys(value).find((key) => !REQUEST_KEYS.includes(key));
  return surplus === undefined
    ? "params is not an object, or its _meta holds something else than the protocol allows"
    : `it has the unknown member ${shortText(surplus)}`;
}

const REQUEST_KEYS = ["jsonrpc", "id", "method", "params"];

/** Whoever reads arguments by a schema would leave that key out without a word. Further down it stays in sight. */
function hidesKey(value: object): boolean {
  const { params } = value as { params?: { arguments?: unknown } | null };
  const given = params?.arguments;
  return typeof given === "object" && given !== null && Object.hasOwn(given, "__proto__");
}

const isId = (id: unknown): id is RequestId => typeof id === "string" || Number.isSafeInteger(id);

/** Its parts were looked at; what its parameters hold is checked by whoever serves the method. */
const message = (value: object): Incoming => ({ kind: "message", message: value as JSONRPCMessage });

const wrong = (code: number, why: string, id?: RequestId): Incoming => ({
  kind: "wrong",
  code,
  why,
  ...(id === undefined ? {} : { id }),
});
