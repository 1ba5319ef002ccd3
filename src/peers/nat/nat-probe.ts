import { unlessLate, type Clock } from "../../scope/index.ts";
import type { NatType } from "../peers.protocol.ts";
import { natTypeOf, type Filtering, type Mapping } from "./nat-class.ts";
import { endpointText, sameEndpoint, type Endpoint } from "./stun-message.ts";
import { StunSocket, localAddressFor, type StunReply } from "./stun-socket.ts";

export interface NatFinding {
  readonly natType: NatType;
  /** Where the server saw this node; null when none answered. */
  readonly mapped: Endpoint | null;
  readonly mapping: Mapping;
  readonly filtering: Filtering;
  /** One sentence. */
  readonly why: string;
}

interface ProbeServices {
  readonly clock: Clock;
  /** Ends it: what is not known by then stays unknown. */
  readonly signal: AbortSignal;
}

/** A server that answers, with what its first answer says. */
interface Found {
  readonly server: Endpoint;
  readonly first: StunReply & { readonly mapped: Endpoint };
  readonly socket: StunSocket;
}

/**
 * Finds out what kind of NAT is between this node and the servers, over UDP.
 *
 * With a server that has a second address (RFC 5780) both filtering and mapping are told. Filtering comes first, from a
 * fresh port: speaking to the second address, which the mapping tests do, opens the filter towards it. Its two questions
 * are asked at once, since most of their time is waiting for an answer that does not come. Without such a server, two
 * servers at different addresses tell whether the mapping is the same for both, and nothing tells the filter.
 *
 * No server answers: `blocked` when two or more were asked, since that all are down is less likely; else `unknown`.
 *
 * @param servers at least one; those of IPv4 are asked when there are both kinds, since the other knows hardly any NAT
 * @see https://www.rfc-editor.org/rfc/rfc5780#section-4
 */
export async function probeNat(servers: readonly Endpoint[], services: ProbeServices): Promise<NatFinding> {
  const family = servers.some((server) => server.family === 4) ? 4 : 6;
  const asked = distinct(servers.filter((server) => server.family === family));
  const sockets = new Set<StunSocket>();
  const close = (): void => {
    for (const socket of sockets) socket.close();
  };
  services.signal.addEventListener("abort", close, { once: true });
  try {
    return await probe(asked, services, sockets);
  } finally {
    services.signal.removeEventListener("abort", close);
    close();
  }
}

async function probe(
  servers: readonly Endpoint[],
  services: ProbeServices,
  sockets: Set<StunSocket>,
): Promise<NatFinding> {
  const { clock, signal } = services;
  const open = async (server: Endpoint): Promise<StunSocket> => {
    const socket = await StunSocket.open(await localAddressFor(server), clock);
    sockets.add(socket);
    if (signal.aborted) socket.close();
    return socket;
  };
  const { server: answering, asked } = await firstToAnswer(servers, open, services);
  if (signal.aborted) return unknown("the probe was ended");
  if (answering === undefined) {
    const silent = unknown(
      `none of ${servers.length} STUN servers answered over UDP; there was a way to ${asked}`,
    );
    return asked > 1 ? { ...silent, natType: "blocked" } : silent;
  }
  // A fresh port: the one that found the server may have spoken to its other address too.
  const socket = await open(answering);
  const first = await socket.ask({ server: answering });
  if (!first?.mapped) return unknown("the STUN server stopped answering");
  const found: Found = { server: answering, first: { ...first, mapped: first.mapped }, socket };
  const other = first.other;
  const isSecond =
    other !== null &&
    other.family === answering.family &&
    other.address !== answering.address &&
    other.port !== answering.port;
  return isSecond ? await byOneServer(found, other) : await bySeveral(found, servers);
}

/** With two addresses of one server. */
async function byOneServer({ server, first, socket }: Found, other: Endpoint): Promise<NatFinding> {
  const { mapped } = first;
  const filtering = await filteringOf({ server, socket }, other);
  if (sameEndpoint(mapped, socket.local)) return finding("none", filtering, mapped);
  const second = await socket.ask({ server: { ...other, port: server.port } });
  if (!second?.mapped) return finding("unknown", filtering, mapped);
  return finding(sameEndpoint(second.mapped, mapped) ? "independent" : "dependent", filtering, mapped);
}

async function filteringOf(
  { server, socket }: Pick<Found, "server" | "socket">,
  other: Endpoint,
): Promise<Filtering> {
  const [fromOther, fromOtherPort] = await Promise.all([
    socket.ask({ server, change: { ip: true, port: true } }),
    socket.ask({ server, change: { ip: false, port: true } }),
  ]);
  // A server that cannot do as asked says so, or answers from where it was asked, which tells nothing.
  const isRefused = (reply: StunReply | null): boolean =>
    reply !== null && (reply.errorCode !== null || sameEndpoint(reply.from, server));
  if (isRefused(fromOther) || isRefused(fromOtherPort)) return "unknown";
  if (fromOther !== null) return fromOther.from.address === other.address ? "all" : "unknown";
  return fromOtherPort === null ? "endpoint" : "address";
}

/** With servers at different addresses, none of which has two. */
async function bySeveral(
  { server, first, socket }: Found,
  servers: readonly Endpoint[],
): Promise<NatFinding> {
  const { mapped } = first;
  if (sameEndpoint(mapped, socket.local)) return finding("none", "unknown", mapped);
  const others = servers.filter(({ address }) => address !== server.address);
  const replies = await Promise.all(others.map((each) => socket.ask({ server: each })));
  const seen = replies.flatMap((reply) => reply?.mapped ?? []);
  if (seen.length === 0) return finding("unknown", "unknown", mapped);
  const isSame = seen.every((each) => sameEndpoint(each, mapped));
  return finding(isSame ? "independent" : "dependent", "unknown", mapped);
}

/** How long a server has for itself before the next one is asked beside it. */
const HEAD_START_MS = 500;

/**
 * One after the other, each from a port of its own, and none that is not needed: where the filter is kept by address and not
 * by port, a server that was spoken to can reach every port.
 */
async function firstToAnswer(
  servers: readonly Endpoint[],
  open: (server: Endpoint) => Promise<StunSocket>,
  { clock, signal }: ProbeServices,
): Promise<{ readonly server: Endpoint | undefined; readonly asked: number }> {
  const opened = new Set<StunSocket>();
  const ask = async (server: Endpoint): Promise<Endpoint> => {
    // Fails where there is no way to the server: then nothing is sent, and nothing is learned of UDP.
    const socket = await open(server);
    opened.add(socket);
    const reply = await socket.ask({ server });
    if (!reply?.mapped) throw new Error("no answer");
    return server;
  };
  const asks: Promise<Endpoint>[] = [];
  const first = (): Promise<Endpoint | undefined> => Promise.any(asks).catch(() => undefined);
  try {
    for (const server of servers) {
      asks.push(ask(server));
      const found = await unlessLate(first(), HEAD_START_MS, clock);
      if (found !== undefined || signal.aborted) return { server: found, asked: opened.size };
    }
    return { server: await first(), asked: opened.size };
  } finally {
    for (const socket of opened) socket.close();
  }
}

function finding(mapping: Mapping, filtering: Filtering, mapped: Endpoint): NatFinding {
  const why = `seen as ${endpointText(mapped)}; mapping ${mapping}, filtering ${filtering}`;
  return { natType: natTypeOf(mapping, filtering), mapped, mapping, filtering, why };
}

const unknown = (why: string): NatFinding => ({
  natType: "unknown",
  mapped: null,
  mapping: "unknown",
  filtering: "unknown",
  why,
});

const distinct = (endpoints: readonly Endpoint[]): Endpoint[] =>
  endpoints.filter((each, index) => endpoints.findIndex((other) => sameEndpoint(each, other)) === index);
