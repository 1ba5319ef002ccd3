import type { RefOf } from "../../actor/index.ts";
import { LIMITS, fault, isFault } from "../../errors/index.ts";
import { checkTexts, invalidArgument } from "../../schema/index.ts";
import { isPublicAddress } from "../../schema/special-addresses.ts";
import { unlessAborted, type Clock, type Random, type Timer } from "../../scope/index.ts";
import type { Log } from "../../telemetry/index.ts";
import type { Network } from "../network.protocol.ts";
import type { BootstrapPlan, NatType, PublicAddress } from "../peers.protocol.ts";
import { defaultGateway } from "./default-gateway.ts";
import { GATEWAY_PORT } from "./gateway-message.ts";
import { probeNat, type NatFinding } from "./nat-probe.ts";
import { PmpGateway } from "./pmp-gateway.ts";
import type { Gateway } from "./port-lease.ts";
import { PortMapping } from "./port-mapping.ts";
import { askPublicAddress } from "./public-address.ts";
import { Remembered } from "./remembered.ts";
import { endpointText } from "./stun-message.ts";
import { parseStunServers, resolveServers, type StunServer } from "./stun-servers.ts";
import { findUpnpGateway, type SearchPlace } from "./upnp-gateway.ts";

/** What outside of this process is reached; a test hands in its own. */
export interface WhereaboutsServices {
  readonly fetch?: typeof fetch;
  /** Whether an address may be a public one; default: it is in no special range. */
  readonly accepts?: (address: string) => boolean;
  /** Where the gateway speaks PCP or NAT-PMP; null: there is none. Default: the gateway of the default route. */
  readonly gateway?: { readonly address: string; readonly port: number } | null;
  /** Where gateways are searched for by UPnP; default: the multicast group of the standard. */
  readonly upnpSearch?: SearchPlace;
}

interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly network: RefOf<typeof Network>;
}

export interface NatAnswer {
  readonly natType: NatType;
  readonly mapped: string | null;
  readonly tookMs: number;
}

const NOWHERE: PublicAddress = Object.freeze({ ipv4: null, ipv6: null, confirmed: false, learnedAtMs: null });
const UNKNOWN: NatAnswer = Object.freeze({ natType: "unknown", mapped: null, tookMs: 0 });
/** Addresses change one after the other when a network does. */
const CALM_MS = 1_000;
const FIGURES_MS = 5_000;

/** @throws INVALID_ARGUMENT when a server or a service of the plan cannot be one */
export function openWhereabouts(
  surroundings: Surroundings,
  plan: BootstrapPlan,
  services: WhereaboutsServices,
): Whereabouts {
  const stunServers = parseStunServers("stunServers", plan.stunServers);
  checkServices("ipServices", plan.ipServices);
  return new Whereabouts(surroundings, { ...plan, stunServers }, services);
}

function checkServices(argument: string, urls: readonly string[]): void {
  checkTexts(argument, urls);
  const limit = LIMITS.bootstrap.ipServices;
  if (urls.length > limit)
    throw invalidArgument(argument, `a list of ${urls.length}`, `${limit} services at most`);
  for (const [index, url] of urls.entries()) {
    const isHttp = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
    if (!isHttp)
      throw invalidArgument(`${argument}[${index}]`, JSON.stringify(url), "a URL of http or https");
  }
}

type Plan = Pick<BootstrapPlan, "ipServices" | "portMapping"> & {
  readonly stunServers: readonly StunServer[];
};

/**
 * Where this node is, seen from outside: its public address, the kind of NAT before it, and the port of a gateway that leads
 * to it. Only what the plan names is asked.
 */
export class Whereabouts {
  readonly #surroundings: Surroundings;
  readonly #plan: Plan;
  readonly #services: WhereaboutsServices;
  readonly #address: Remembered<PublicAddress>;
  readonly #nat: Remembered<NatAnswer>;
  readonly #mapping: PortMapping | null;
  /** Ends what is asked when the actor does. */
  readonly #life = new AbortController();
  #peerId: string | null = null;
  #calm: Timer | undefined;

  constructor(surroundings: Surroundings, plan: Plan, services: WhereaboutsServices) {
    this.#surroundings = surroundings;
    this.#plan = plan;
    this.#services = services;
    const { clock, log } = surroundings;
    const keepMs = LIMITS.bootstrap.ipCacheMs;
    this.#address = new Remembered(clock, keepMs, () => this.#learnAddress());
    this.#nat = new Remembered(clock, keepMs, () => this.#learnNat());
    this.#mapping = plan.portMapping
      ? new PortMapping({
          clock,
          log,
          gateways: () => this.#gateways(),
          portAt: (address) => this.#portAt(address),
          accepts: this.#accepts,
          changed: () => void this.#announce(),
        })
      : null;
  }

  get publicAddress(): PublicAddress {
    return this.#address.latest ?? NOWHERE;
  }

  get natType(): NatType {
    return this.#nat.latest?.natType ?? "unknown";
  }

  get mappedAddress(): string | null {
    const lease = this.#mapping?.lease;
    if (!lease || this.#peerId === null) return null;
    return `/ip4/${lease.externalAddress}/tcp/${lease.externalPort}/p2p/${this.#peerId}`;
  }

  /** Asks for all that the plan names, and waits for none of it. */
  start(): void {
    if (this.#plan.ipServices.length > 0) void this.#address.ask(false);
    if (this.#plan.stunServers.length > 0) void this.#nat.ask(false);
    void this.#mapping?.update();
  }

  /** Own addresses have changed: what is remembered may be of another network. */
  readdressed(): void {
    const { clock } = this.#surroundings;
    this.#calm?.cancel();
    if (this.#life.signal.aborted) return;
    this.#calm = clock.at(clock.now() + CALM_MS, () => {
      this.#address.forget();
      this.#nat.forget();
      this.start();
    });
  }

  async askPublicAddress(refresh: boolean, signal: AbortSignal): Promise<PublicAddress> {
    return unlessAborted(this.#address.ask(refresh), signal);
  }

  async askNatType(refresh: boolean, signal: AbortSignal): Promise<NatAnswer> {
    return unlessAborted(this.#nat.ask(refresh), signal);
  }

  /** Nothing is left of it when this resolves; a port is given back. */
  async close(): Promise<void> {
    this.#calm?.cancel();
    await this.#mapping?.close();
    this.#life.abort(fault("CANCELLED", { what: "the question where this node is" }));
    await Promise.all([this.#address.settled(), this.#nat.settled()]);
  }

  readonly #accepts = (address: string): boolean => (this.#services.accepts ?? isPublicAddress)(address);

  /** Null: nothing was learned, and nothing is remembered. */
  async #learnAddress(): Promise<{ value: PublicAddress; isKept: boolean }> {
    const { clock, log } = this.#surroundings;
    if (this.#plan.ipServices.length === 0) return { value: NOWHERE, isKept: false };
    const { ipv4, ipv6, confirmed, failures } = await askPublicAddress(this.#plan.ipServices, {
      clock,
      signal: this.#life.signal,
      fetch: this.#services.fetch ?? fetch,
      accepts: this.#accepts,
    });
    const isKnown = ipv4 !== null || ipv6 !== null;
    if (!isKnown) log.info("the public address could not be learned", { failures });
    const value = isKnown ? { ipv4, ipv6, confirmed, learnedAtMs: clock.wallNow() } : NOWHERE;
    return { value, isKept: isKnown };
  }

  async #learnNat(): Promise<{ value: NatAnswer; isKept: boolean }> {
    const { clock, log } = this.#surroundings;
    if (this.#plan.stunServers.length === 0) return { value: UNKNOWN, isKept: false };
    const startMs = clock.now();
    const servers = await resolveServers(this.#plan.stunServers, clock);
    const found: NatFinding | null =
      servers.length === 0 ? null : await probeNat(servers, { clock, signal: this.#life.signal });
    const natType = found?.natType ?? "unknown";
    log.info("the NAT was probed", { natType, why: found?.why ?? "no name of a STUN server leads anywhere" });
    const mapped = found?.mapped ? endpointText(found.mapped) : null;
    return { value: { natType, mapped, tookMs: clock.now() - startMs }, isKept: natType !== "unknown" };
  }

  /** A port of the gateway is of use only to those who are told of it. */
  async #announce(): Promise<void> {
    const { network, log } = this.#surroundings;
    const address = this.mappedAddress;
    try {
      const options = { signal: this.#life.signal, timeoutMs: FIGURES_MS };
      await network.call.announce({ addresses: address === null ? [] : [address] }, options);
    } catch (error) {
      if (!isFault(error)) throw error;
      log.info("peers could not be told of the gateway's port", { why: error.message });
    }
  }

  async *#gateways(): AsyncIterable<Gateway> {
    const { clock, random } = this.#surroundings;
    const place = await this.#gatewayPlace();
    let localAddress = "0.0.0.0";
    if (place !== null) {
      const gateway = await PmpGateway.at(place.address, place.port, clock).catch(() => null);
      if (gateway !== null) {
        localAddress = gateway.internalAddress;
        yield gateway;
      }
    }
    const upnp = await findUpnpGateway(
      localAddress,
      { clock, signal: this.#life.signal, fetch: this.#services.fetch ?? fetch, random },
      this.#services.upnpSearch,
    );
    if (upnp !== null) yield upnp;
  }

  async #gatewayPlace(): Promise<{ readonly address: string; readonly port: number } | null> {
    if (this.#services.gateway !== undefined) return this.#services.gateway;
    const address = await defaultGateway();
    return address === null ? null : { address, port: GATEWAY_PORT };
  }

  /** The TCP port on which this node listens at that address of its own. */
  async #portAt(internalAddress: string): Promise<number | null> {
    const { network } = this.#surroundings;
    try {
      const options = { signal: this.#life.signal, timeoutMs: FIGURES_MS };
      const { peerId, addresses } = await network.call.figures(undefined, options);
      this.#peerId = peerId;
      const begin = `/ip4/${internalAddress}/tcp/`;
      const address = addresses.find((each) => each.startsWith(begin));
      return address === undefined ? null : Number.parseInt(address.slice(begin.length), 10);
    } catch (error) {
      if (!isFault(error)) throw error;
      return null;
    }
  }
}
