import { lookup } from "node:dns/promises";
import type { IncomingMessage } from "node:http";
import { LIMITS, fault, isFault, sentenceOf } from "../../errors/index.ts";
import { withScope } from "../../scope/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { HostRules } from "../host-rules.ts";
import { action } from "./action.ts";
import { ByteGate } from "./byte-gate.ts";
import { CODINGS, readBody, textOfBody } from "./http-body.ts";
import { exchange, type ExchangeServices, type Resolve } from "./http-exchange.ts";
import { nextHop, problemOfUrl, shown, type Hop } from "./http-hop.ts";
import { KeptPart, keptIfLarge } from "./kept-part.ts";
import { Encoding, bytesOf } from "./text-bytes.ts";

const limits = LIMITS.compute;

/** What the connection is made of is not for the caller to say. */
const RESERVED =
  /^(?:host|content-length|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect|accept-encoding|proxy-.*)$/i;

const Headers = z
  .record(
    z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/),
    z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/),
  )
  .refine((headers) => Object.keys(headers).length <= limits.fetchHeaders, {
    error: `at most ${limits.fetchHeaders} headers may be sent`,
  })
  .refine((headers) => !Object.keys(headers).some((name) => RESERVED.test(name)), {
    error: "headers about the connection and its coding are not the caller's to send",
  });

const Input = z
  .strictObject({
    url: z
      .string()
      .max(limits.urlChars)
      .refine((text) => problemOfUrl(text) === null, {
        error: (issue) => problemOfUrl(String(issue.input)) ?? "",
      }),
    method: z.enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]).default("GET"),
    headers: Headers.default({}),
    body: z.string().optional(),
    body_encoding: Encoding.default("utf-8"),
    encoding: z.enum(["auto", ...Encoding.options]).default("auto"),
    any_status: z.boolean().default(false),
    timeout_ms: z.int().min(1).max(limits.fetchMsMax).default(limits.fetchMs),
    max_bytes: z.int().min(1).max(limits.fetchBytesMax).default(limits.fetchBytes),
    max_redirects: z.int().min(0).max(limits.fetchRedirectsMax).default(limits.fetchRedirects),
  })
  .refine(({ method, body }) => body === undefined || (method !== "GET" && method !== "HEAD"), {
    error: "GET and HEAD take no body",
  });

type Input = z.output<typeof Input>;

const Output = z.strictObject({
  /** Where the answer came from, after all redirects. */
  url: z.string(),
  status: z.int(),
  headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
  body: z.union([z.string(), KeptPart]),
  encoding: Encoding,
  size_bytes: z.int().min(0),
});

type Answer = z.input<typeof Output> & { readonly body: string };

/** Bodies that are being read on this thread, which may be shared. */
const bodies = new ByteGate(limits.fetchBodiesBytes);

/** Fetches from an allowed host. */
export default action({
  input: Input,
  output: Output,
  async run(input, context, { allowedHosts }) {
    const rules = new HostRules(allowedHosts);
    const answer = await fetchAnswer(input, { rules, resolve: resolveAll, signal: context.signal });
    return { ...answer, body: await keptIfLarge(answer.body, answer.body.length, context) };
  },
});

const resolveAll: Resolve = (name) => lookup(name, { all: true });

/**
 * Follows redirects and reads the body. Each address on the way is looked at again.
 *
 * @throws HOST_NOT_ALLOWED, HTTP_FAILED, HTTP_STATUS, SIZE_EXCEEDED, DEADLINE_EXCEEDED, CANCELLED, INPUT_INVALID
 */
export async function fetchAnswer(input: Input, services: ExchangeServices): Promise<Answer> {
  const first = firstHop(input);
  const options = { signal: services.signal, timeoutMs: input.timeout_ms, name: shown(first.url) };
  return withScope(options, ({ signal }) => follow(first, input, { ...services, signal }));
}

async function follow(first: Hop, input: Input, services: ExchangeServices): Promise<Answer> {
  const { signal } = services;
  let hop = first;
  try {
    for (let redirects = 0; ; redirects += 1) {
      const response = await exchange(hop, services);
      try {
        const next = nextHop(hop, response);
        if (next === null) return await answerOf(hop, response, input, signal);
        if (redirects === input.max_redirects) throw new Error(`it redirects more than ${redirects} times`);
        hop = next;
      } finally {
        response.destroy();
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    if (isFault(error)) throw error;
    throw fault("HTTP_FAILED", { url: shown(hop.url), why: whyOf(error) }, { cause: error });
  }
}

function firstHop({ url, method, headers, body, body_encoding }: Input): Hop {
  const sent = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return {
    url: new URL(url),
    method,
    headers: {
      accept: "*/*",
      "user-agent": "mcplusplus",
      ...Object.fromEntries(sent),
      "accept-encoding": CODINGS,
    },
    body: body === undefined ? null : sentBytes(body, body_encoding),
  };
}

function sentBytes(body: string, encoding: Input["body_encoding"]): Buffer {
  const bytes = bytesOf(body, encoding, "http_fetch", "body");
  if (bytes.byteLength <= limits.fetchBytesMax) return bytes;
  throw fault("SIZE_EXCEEDED", { what: "the body to be sent", limit: limits.fetchBytesMax, unit: "bytes" });
}

async function answerOf(
  { url, method }: Hop,
  response: IncomingMessage,
  { any_status, max_bytes, encoding }: Input,
  signal: AbortSignal,
): Promise<Answer> {
  const status = response.statusCode ?? 0;
  if (!any_status && (status < 200 || status > 299)) {
    throw fault("HTTP_STATUS", { url: shown(url), status });
  }
  const bytes = await bodies.hold(max_bytes, signal, () => readBody(response, method, max_bytes, signal));
  const text = encoding === "base64" ? null : textOfBody(bytes, response.headers["content-type"]);
  if (text === null && encoding === "utf-8")
    throw new Error('its body is no text: ask for encoding "base64"');
  return {
    url: url.href,
    status,
    headers: headersOf(response),
    body: text ?? bytes.toString("base64"),
    encoding: text === null ? "base64" : "utf-8",
    size_bytes: bytes.byteLength,
  };
}

const headersOf = ({ headers }: IncomingMessage): Record<string, string | string[]> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );

/** When all addresses of a host refuse, Node throws one error that says nothing, with the others in it. */
function whyOf(error: unknown): string {
  return sentenceOf(error instanceof AggregateError ? (error.errors[0] ?? error) : error);
}
