import { createSocket } from "node:dgram";
import { sentenceOf } from "../../errors/index.ts";
import type { Clock, Random } from "../../scope/index.ts";
import { localAddressFor } from "./stun-socket.ts";
import { readBody } from "./bounded-body.ts";
import { LEASE_S, type Gateway, type PortLease } from "./port-lease.ts";
import {
  decodeDescription,
  decodeSearchAnswer,
  elementOf,
  encodeAction,
  encodeSearch,
  type Arguments,
  type PortService,
} from "./upnp-message.ts";

/** How gateways are searched for; the multicast group of the standard, outside tests. */
export interface SearchPlace {
  readonly address: string;
  readonly port: number;
}

const SSDP: SearchPlace = { address: "239.255.255.250", port: 1_900 };
/** A gateway may take the second that the search allows it. */
const SEARCH_MS = 2_000;
const SEARCHES = [0, 500];
const ANSWERS_MAX = 8;
const REQUEST_MS = 3_000;
const BODY_BYTES_MAX = 65_536;
const DESCRIPTION = "mcplusplus";
/** The outer port is taken by another machine. */
const CONFLICT = "718";
/** The gateway gives ports for good only. */
const PERMANENT_ONLY = "725";
const PORT_TRIES = 3;

export interface UpnpServices {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly fetch: typeof fetch;
  /** For another port when the wanted one is taken. */
  readonly random: Random;
}

/**
 * The first gateway that answers a search and gives ports; null: none did in time.
 *
 * @param localAddress of this machine, which the search leaves from; `0.0.0.0`: as the system chooses
 */
export async function findUpnpGateway(
  localAddress: string,
  services: UpnpServices,
  place: SearchPlace = SSDP,
): Promise<Gateway | null> {
  for (const location of await search(localAddress, services, place)) {
    try {
      const service = decodeDescription(await request(location, {}, services), location);
      if (service === null) continue;
      const port = Number(location.port || "80");
      const internalAddress = await localAddressFor({ family: 4, address: location.hostname, port });
      return new UpnpGateway(service, internalAddress, services);
    } catch (error) {
      if (services.signal.aborted) return null;
      // A device that cannot describe itself is none that gives ports; another may.
      if (!(error instanceof Error)) throw error;
    }
  }
  return null;
}

/** All places that were told until the time was up, or at once when the first one came. */
async function search(
  localAddress: string,
  { clock, signal }: UpnpServices,
  place: SearchPlace,
): Promise<URL[]> {
  const socket = createSocket("udp4");
  const found = new Map<string, URL>();
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  socket.on("error", () => end());
  socket.on("message", (bytes, { address }) => {
    const location = decodeSearchAnswer(bytes.toString("latin1"), address);
    if (location === null || found.size >= ANSWERS_MAX) return;
    found.set(location.href, location);
    end();
  });
  signal.addEventListener("abort", () => end(), { once: true });
  const startMs = clock.now();
  const text = encodeSearch(`${place.address}:${place.port}`);
  const send = (): void => socket.send(text, place.port, place.address, () => {});
  socket.bind(0, localAddress, send);
  const timers = SEARCHES.slice(1).map((afterMs) => clock.at(startMs + afterMs, send));
  timers.push(clock.at(startMs + SEARCH_MS, end));
  if (signal.aborted) end();
  await over;
  for (const timer of timers) timer.cancel();
  socket.close();
  return [...found.values()];
}

/** A gateway that speaks UPnP, of version 1 or 2. */
class UpnpGateway implements Gateway {
  readonly kind = "upnp";
  readonly internalAddress: string;
  readonly #service: PortService;
  readonly #services: UpnpServices;
  #leaseS = LEASE_S;

  constructor(service: PortService, internalAddress: string, services: UpnpServices) {
    this.#service = service;
    this.internalAddress = internalAddress;
    this.#services = services;
  }

  async map(internalPort: number, wantedPort: number): Promise<PortLease> {
    const answer = await this.#call("GetExternalIPAddress", {});
    const externalAddress = elementOf(answer, "NewExternalIPAddress");
    if (externalAddress === undefined) throw new Error("the gateway has no outer address");
    const externalPort = await this.#add(internalPort, wantedPort);
    const lifetimeS = this.#leaseS === 0 ? Infinity : this.#leaseS;
    return { externalAddress, externalPort, internalAddress: this.internalAddress, lifetimeS };
  }

  async release(_internalPort: number, externalPort: number): Promise<void> {
    await this.#call("DeletePortMapping", {
      NewRemoteHost: "",
      NewExternalPort: externalPort,
      NewProtocol: "TCP",
    });
  }

  close(): void {}

  /** @returns the outer port */
  async #add(internalPort: number, wantedPort: number): Promise<number> {
    let externalPort = wantedPort;
    for (let tries = 0; ; tries++) {
      try {
        await this.#call("AddPortMapping", {
          NewRemoteHost: "",
          NewExternalPort: externalPort,
          NewProtocol: "TCP",
          NewInternalPort: internalPort,
          NewInternalClient: this.internalAddress,
          NewEnabled: 1,
          NewPortMappingDescription: DESCRIPTION,
          NewLeaseDuration: this.#leaseS,
        });
        return externalPort;
      } catch (error) {
        if (!(error instanceof UpnpRefusal) || tries >= PORT_TRIES) throw error;
        if (error.code === PERMANENT_ONLY && this.#leaseS !== 0) this.#leaseS = 0;
        else if (error.code === CONFLICT)
          externalPort = 49_152 + Math.floor(this.#services.random.next() * 16_384);
        else throw error;
      }
    }
  }

  async #call(action: string, given: Arguments): Promise<string> {
    const { type, control } = this.#service;
    return request(
      control,
      {
        method: "POST",
        headers: { "content-type": 'text/xml; charset="utf-8"', soapaction: `"${type}#${action}"` },
        body: encodeAction(type, action, given),
      },
      this.#services,
    );
  }
}

/** What the gateway says instead of doing it. */
class UpnpRefusal extends Error {
  readonly code: string;

  constructor(code: string, why: string) {
    super(`the gateway refused: ${why} (${code})`);
    this.code = code;
  }
}

async function request(
  url: URL,
  init: RequestInit,
  { clock, signal, fetch: get }: UpnpServices,
): Promise<string> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  signal.addEventListener("abort", abort, { once: true });
  const late = clock.at(clock.now() + REQUEST_MS, abort);
  try {
    if (signal.aborted) abort();
    const response = await get(url, { ...init, signal: controller.signal, redirect: "error" });
    const text = (await readBody(response, BODY_BYTES_MAX, "the gateway's")).toString("utf8");
    if (response.ok) return text;
    const code = elementOf(text, "errorCode");
    if (code === undefined) throw new Error(`the gateway answered with status ${response.status}`);
    throw new UpnpRefusal(code, elementOf(text, "errorDescription") ?? "no reason given");
  } catch (error) {
    if (controller.signal.aborted) throw new Error("the gateway did not answer in time", { cause: error });
    throw error instanceof Error ? error : new Error(sentenceOf(error));
  } finally {
    late.cancel();
    signal.removeEventListener("abort", abort);
  }
}
