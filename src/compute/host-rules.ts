import { BlockList, isIP } from "node:net";
import { fault } from "../errors/index.ts";

/**
 * Which hosts the action `http_fetch` may reach. Light, so that the options of a system are checked with it too.
 *
 * | rule | allows |
 * | --- | --- |
 * | `api.example.com` | that name |
 * | `*.example.com` | every name below it, not itself |
 * | `*` | every name, and every public address |
 * | `192.0.2.7`, `::1` | that address |
 * | `10.0.0.0/8`, `fd00::/8` | every address of the range |
 *
 * All but a range may end in a port (`localhost:8080`, `[::1]:8080`), and then allow that port only.
 */
interface HostRule {
  /** Null = every port. */
  readonly port: number | null;
  /** Null for a rule about addresses. */
  readonly allowsName: ((name: string) => boolean) | null;
  /** Null for a rule about names. */
  readonly addresses: BlockList | null;
}

export class HostRules {
  readonly #rules: readonly HostRule[];

  /** @throws INVALID_ARGUMENT for a text that is no rule */
  constructor(texts: readonly string[]) {
    this.#rules = texts.map(ruleOf);
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  /** @param name in lower case, as `URL` writes it */
  allowsName(name: string, port: number): boolean {
    return this.#rules.some((rule) => fitsPort(rule, port) && rule.allowsName?.(name) === true);
  }

  /** Is the address itself allowed, whatever kind it is of? */
  allowsAddress(address: string, port: number): boolean {
    const family = isIP(address) === 4 ? "ipv4" : "ipv6";
    return this.#rules.some(
      (rule) => fitsPort(rule, port) && rule.addresses?.check(address, family) === true,
    );
  }
}

const fitsPort = (rule: HostRule, port: number): boolean => rule.port === null || rule.port === port;

function ruleOf(text: string): HostRule {
  const rule = rangeOf(text) ?? hostOf(text);
  if (rule !== null) return rule;
  throw fault("INVALID_ARGUMENT", {
    argument: "an allowed host",
    got: JSON.stringify(text),
    allowed: "a name like api.example.com, *.example.com or *, an address, or a range like 10.0.0.0/8",
  });
}

function rangeOf(text: string): HostRule | null {
  const [, address = "", digits = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const family = isIP(address);
  const prefix = Number(digits);
  if (family === 0 || prefix > (family === 4 ? 32 : 128)) return null;
  const addresses = new BlockList();
  addresses.addSubnet(address, prefix, family === 4 ? "ipv4" : "ipv6");
  return { port: null, allowsName: null, addresses };
}

function hostOf(text: string): HostRule | null {
  if (isIP(text) === 6) return addressRule(text, null);
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const port = digits === undefined ? null : Number(digits);
  if (port !== null && (port < 1 || port > 65_535)) return null;
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? addressRule(bracketed, port) : null;
  if (plain === undefined) return null;
  return isIP(plain) === 4 ? addressRule(plain, port) : nameRule(plain, port);
}

function addressRule(address: string, port: number | null): HostRule {
  const addresses = new BlockList();
  addresses.addAddress(address, isIP(address) === 4 ? "ipv4" : "ipv6");
  return { port, allowsName: null, addresses };
}

function nameRule(text: string, port: number | null): HostRule | null {
  if (text === "*") return { port, allowsName: () => true, addresses: null };
  const isBelow = text.startsWith("*.");
  const name = asciiName(isBelow ? text.slice(2) : text);
  if (name === null) return null;
  const allowsName = (given: string): boolean => (isBelow ? given.endsWith(`.${name}`) : given === name);
  return { port, allowsName, addresses: null };
}

const LABELS = /^(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;

/** As `URL` writes it: in lower case, other scripts in Punycode. Null for what is no name, such as `0x7f.1`. */
function asciiName(text: string): string | null {
  const url = URL.canParse(`http://${text}/`) ? new URL(`http://${text}/`) : null;
  if (url === null || url.pathname !== "/" || url.username !== "" || url.search !== "" || url.hash !== "")
    return null;
  const name = plainName(url.hostname);
  return isIP(name) === 0 && LABELS.test(name) ? name : null;
}

/** Without the dot that may end a name: `example.com.` is `example.com`. */
export const plainName = (name: string): string => (name.endsWith(".") ? name.slice(0, -1) : name);
