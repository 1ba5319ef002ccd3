import type { LookupAddress } from "node:dns";
import { request as requestHttp, type IncomingMessage, type RequestOptions } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { LIMITS, fault } from "../../errors/index.ts";
import { unlessAborted } from "../../scope/index.ts";
import { plainName, type HostRules } from "../host-rules.ts";
import { specialKindOf } from "../../schema/special-addresses.ts";
import { portOf, type Hop } from "./http-hop.ts";

/** All addresses of a name, as the machine resolves it. */
export type Resolve = (name: string) => Promise<readonly LookupAddress[]>;

export interface ExchangeServices {
  readonly rules: HostRules;
  readonly resolve: Resolve;
  readonly signal: AbortSignal;
}

/**
 * Sends one request and returns the answer, whose body is still to come: whoever gets it reads or destroys it.
 *
 * The name is resolved once, here. The connection is made to an address that has been looked at, and to no other: a name
 * that gives a public address to the check and another one to the connection (DNS rebinding) finds no second look.
 *
 * @throws HOST_NOT_ALLOWED; else whatever resolving, connecting and sending throw
 */
export async function exchange(hop: Hop, services: ExchangeServices): Promise<IncomingMessage> {
  const { signal } = services;
  const addresses = await allowedAddresses(hop.url, services);
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = hop.url.protocol === "https:" ? requestHttps : requestHttp;
  const sent = request(hop.url, optionsOf(hop, addresses, signal));
  sent.on("error", reject);
  sent.on("response", (response) => {
    // Whoever reads it is told too; one that nobody reads must not end the thread.
    response.on("error", () => undefined);
    resolve(response);
  });
  sent.on("upgrade", (_response, socket) => {
    socket.destroy();
    reject(new Error("it answers with another protocol"));
  });
  sent.end(hop.body ?? undefined);
  return promise;
}

function optionsOf(
  { method, headers }: Hop,
  addresses: readonly LookupAddress[],
  signal: AbortSignal,
): RequestOptions & { rejectUnauthorized: boolean } {
  return {
    method,
    headers,
    signal,
    // A connection of its own, that no proxy of the environment takes over and that is not used again.
    agent: false,
    maxHeaderSize: LIMITS.compute.fetchHeaderBytes,
    insecureHTTPParser: false,
    rejectUnauthorized: true,
    lookup(_name, { all }, done) {
      const [first] = addresses;
      if (all === true) done(null, [...addresses]);
      else done(null, first?.address ?? "", first?.family);
    },
  };
}

/** @throws HOST_NOT_ALLOWED unless the host is allowed, and at least one of its addresses */
async function allowedAddresses(url: URL, services: ExchangeServices): Promise<readonly LookupAddress[]> {
  const { rules, resolve, signal } = services;
  const port = portOf(url);
  // An IPv6 address stands in brackets.
  const host = plainName(url.hostname.replace(/^\[|\]$/g, ""));
  const family = isIP(host);
  const isNamed = rules.allowsName(host, port) || (family !== 0 && rules.allowsAddress(host, port));
  if (!isNamed) {
    const why = rules.isEmpty ? "no host is allowed" : "it is not among the allowed hosts";
    throw fault("HOST_NOT_ALLOWED", { host, why, allow: host });
  }
  // Node's own resolving cannot be cut off.
  const addresses = family === 0 ? await unlessAborted(resolve(host), signal) : [{ address: host, family }];
  const allowed = addresses.filter(
    ({ address }) => rules.allowsAddress(address, port) || specialKindOf(address) === undefined,
  );
  if (allowed.length > 0) return allowed;
  const [first] = addresses;
  if (first === undefined) throw new Error("its name has no address");
  const { address } = first;
  throw fault("HOST_NOT_ALLOWED", {
    host,
    why: `it leads to ${address}, ${specialKindOf(address)}`,
    allow: address,
  });
}
