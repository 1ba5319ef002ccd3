import type { IncomingMessage } from "node:http";

/** One request of a fetch; a redirect makes another. */
export interface Hop {
  readonly url: URL;
  readonly method: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
}

/** Why a URL cannot be fetched; null when it can. */
export function problemOfUrl(text: string): string | null {
  if (!URL.canParse(text)) return "it is no URL";
  const { protocol, username, password } = new URL(text);
  if (protocol !== "http:" && protocol !== "https:") return "only http and https are fetched";
  return username === "" && password === "" ? null : "a user name or password cannot stand in it";
}

/** The port that a URL leads to. */
export function portOf({ port, protocol }: URL): number {
  if (port !== "") return Number(port);
  return protocol === "https:" ? 443 : 80;
}

/** What errors say of a URL: its query may hold a key. */
export const shown = ({ origin, pathname }: URL): string => `${origin}${pathname}`;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * The request that an answer redirects to; null when it does not.
 *
 * @throws Error when it leads where nothing is fetched from
 * @see https://fetch.spec.whatwg.org/#http-redirect-fetch for what becomes of method and body
 */
export function nextHop(hop: Hop, { statusCode: status = 0, headers }: IncomingMessage): Hop | null {
  if (headers.location === undefined || !REDIRECTS.has(status)) return null;
  const url = nextUrl(hop.url, headers.location);
  const { method, body } = hop;
  const asGet =
    (status === 303 && method !== "HEAD") || ((status === 301 || status === 302) && method === "POST");
  const kept = Object.entries(hop.headers).filter(
    ([name]) =>
      (url.origin === hop.url.origin || CROSS_ORIGIN.has(name)) && !(asGet && name.startsWith("content-")),
  );
  return {
    url,
    method: asGet ? "GET" : method,
    headers: Object.fromEntries(kept),
    body: asGet ? null : body,
  };
}

/** All other headers stay with the origin that they were meant for: they may hold a key. */
const CROSS_ORIGIN = new Set(["accept", "accept-encoding", "accept-language", "content-type", "user-agent"]);

function nextUrl(from: URL, location: string): URL {
  const url = URL.canParse(location, from.href) ? new URL(location, from) : null;
  const problem = problemOfUrl(url?.href ?? location);
  if (url === null || problem !== null) throw new Error(`it redirects astray: ${problem}`);
  if (from.protocol === "https:" && url.protocol === "http:") {
    throw new Error("it redirects from https to http");
  }
  return url;
}
