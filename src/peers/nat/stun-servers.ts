import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { LIMITS } from "../../errors/index.ts";
import { checkTexts, invalidArgument } from "../../schema/index.ts";
import { unlessLate, type Clock } from "../../scope/index.ts";
import type { Endpoint } from "./stun-message.ts";

/** A server as it is configured. */
export interface StunServer {
  readonly host: string;
  readonly port: number;
}

/** By the standard. */
const STUN_PORT = 3_478;
const SERVER = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]{1,253}))(?::(\d{1,5}))?$/;
const LOOKUP_MS = 3_000;

/** @throws INVALID_ARGUMENT */
export function parseStunServers(argument: string, texts: readonly string[]): StunServer[] {
  checkTexts(argument, texts);
  const limit = LIMITS.bootstrap.stunServers;
  if (texts.length > limit)
    throw invalidArgument(argument, `a list of ${texts.length}`, `${limit} servers at most`);
  return texts.map((text, index) => {
    const [, bracketed, plain, digits] = SERVER.exec(text) ?? [];
    const host = bracketed ?? plain;
    const port = digits === undefined ? STUN_PORT : Number(digits);
    const isHost = host !== undefined && (bracketed === undefined || isIP(bracketed) === 6);
    if (isHost && port >= 1 && port <= 65_535) return { host, port };
    throw invalidArgument(
      `${argument}[${index}]`,
      JSON.stringify(text),
      "host:port, such as stun.example.org:3478 or [2001:db8::1]:3478",
    );
  });
}

/** Where the servers are; one whose name leads nowhere is left out. */
export async function resolveServers(servers: readonly StunServer[], clock: Clock): Promise<Endpoint[]> {
  const each = servers.map((server) => unlessLate(resolve(server), LOOKUP_MS, clock));
  return (await Promise.all(each)).flatMap((found) => found ?? []);
}

async function resolve({ host, port }: StunServer): Promise<Endpoint[]> {
  const literal = isIP(host);
  if (literal !== 0) return [{ family: literal as 4 | 6, address: host, port }];
  try {
    const addresses = await lookup(host, { all: true });
    // One of each family: several addresses of one name may be one server, which would be asked twice.
    const firsts = [4, 6].flatMap((family) => addresses.find((each) => each.family === family) ?? []);
    return firsts.map(({ address, family }) => ({ family: family as 4 | 6, address, port }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return [];
  }
}
