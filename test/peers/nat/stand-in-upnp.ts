import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { serve, type AnsweringService } from "./answering-service.ts";

export interface StandInUpnpOptions {
  readonly service?: string;
  readonly outside?: string;
  /** Outer ports that others have. */
  readonly taken?: readonly number[];
  /** It gives ports for good only. */
  readonly permanentOnly?: boolean;
  /** What it says where it describes itself, instead of the truth. */
  readonly location?: (truth: string) => string;
  readonly control?: string;
  /** Instead of its description. */
  readonly description?: string;
  /** It refuses everything with this code. */
  readonly refuses?: string;
}

const SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1";

/** A UPnP gateway on loopback, whose search is answered at a port of its own. */
export class StandInUpnp implements AsyncDisposable {
  readonly #options: StandInUpnpOptions;
  readonly #socket: Socket;
  readonly #http: AnsweringService;
  /** Outer port to what was asked for with it. */
  readonly given: Map<number, Record<string, string>>;
  readonly actions: string[];

  private constructor(
    options: StandInUpnpOptions,
    socket: Socket,
    http: AnsweringService,
    given: Map<number, Record<string, string>>,
    actions: string[],
  ) {
    this.#options = options;
    this.#socket = socket;
    this.#http = http;
    this.given = given;
    this.actions = actions;
    socket.on("message", (bytes, { port, address }) => {
      if (!bytes.toString().startsWith("M-SEARCH * HTTP/1.1\r\n")) return;
      const truth = `${http.url}device.xml`;
      const lines = [
        "HTTP/1.1 200 OK",
        "CACHE-CONTROL: max-age=120",
        "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1",
        `Location: ${this.#options.location?.(truth) ?? truth}`,
      ];
      socket.send(`${lines.join("\r\n")}\r\n\r\n`, port, address);
    });
  }

  static async open(options: StandInUpnpOptions = {}): Promise<StandInUpnp> {
    const given = new Map<number, Record<string, string>>();
    const actions: string[] = [];
    const http = await serve((request, response) => void answer(options, given, actions, request, response));
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return new StandInUpnp(options, socket, http, given, actions);
  }

  get place(): { readonly address: string; readonly port: number } {
    return { address: "127.0.0.1", port: this.#socket.address().port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await once(this.#socket, "close");
    await this.#http[Symbol.asyncDispose]();
  }
}

async function answer(
  options: StandInUpnpOptions,
  given: Map<number, Record<string, string>>,
  actions: string[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const type = options.service ?? SERVICE;
  if (request.method === "GET") {
    const control = options.control ?? "/control?a=1&amp;b=2";
    const services =
      `<service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType><controlURL>/l3f</controlURL></service>` +
      `<service><serviceType>${type}</serviceType><controlURL>${control}</controlURL></service>`;
    const xml = `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device><serviceList>${services}</serviceList></device></root>`;
    response.end(options.description ?? xml);
    return;
  }
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const body = Buffer.concat(parts).toString();
  const action = String(request.headers["soapaction"]).split("#")[1]?.replace('"', "") ?? "";
  actions.push(action);
  const field = (name: string): string => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1] ?? "";
  const reply = (inner: string): void => {
    response.setHeader("content-type", "text/xml");
    response.end(
      `<s:Envelope xmlns:s="x"><s:Body><u:${action}Response xmlns:u="${type}">${inner}</u:${action}Response></s:Body></s:Envelope>`,
    );
  };
  const refuse = (code: string, why: string): void => {
    response.statusCode = 500;
    response.end(
      `<s:Envelope><s:Body><s:Fault><detail><UPnPError xmlns="u"><errorCode>${code}</errorCode><errorDescription>${why}</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>`,
    );
  };
  if (options.refuses !== undefined) return refuse(options.refuses, "Action not authorized");
  if (request.url !== "/control?a=1&b=2" || !body.includes(`xmlns:u="${type}"`))
    return refuse("401", "Invalid Action");
  if (action === "GetExternalIPAddress")
    return reply(`<NewExternalIPAddress>${options.outside ?? "8.8.4.4"}</NewExternalIPAddress>`);
  const outer = Number(field("NewExternalPort"));
  if (action === "DeletePortMapping") {
    if (field("NewProtocol") !== "TCP" || !given.delete(outer)) return refuse("714", "NoSuchEntryInArray");
    return reply("");
  }
  if (options.taken?.includes(outer)) return refuse("718", "ConflictInMappingEntry");
  if (options.permanentOnly && field("NewLeaseDuration") !== "0")
    return refuse("725", "OnlyPermanentLeasesSupported");
  given.set(outer, {
    client: field("NewInternalClient"),
    inner: field("NewInternalPort"),
    leaseS: field("NewLeaseDuration"),
  });
  return reply("");
}
