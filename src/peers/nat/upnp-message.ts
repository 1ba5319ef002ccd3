/**
 * What is said to a UPnP gateway and read of its answers. Pure. The answers are XML of an appliance: what is needed of them
 * are the texts of a few elements that have no children, and those are looked for by name, whatever their prefix is.
 *
 * @see https://openconnectivity.org/upnp-specs/UPnP-arch-DeviceArchitecture-v1.1.pdf (1.3 search, 2 description, 3 control)
 * @see https://upnp.org/specs/gw/UPnP-gw-WANIPConnection-v1-Service.pdf
 */

/** Devices of version 2 answer to a search for version 1 too. */
const GATEWAY_DEVICE = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";
/** In order of preference. */
const SERVICES = [
  "urn:schemas-upnp-org:service:WANIPConnection:2",
  "urn:schemas-upnp-org:service:WANIPConnection:1",
  "urn:schemas-upnp-org:service:WANPPPConnection:1",
];

export function encodeSearch(host: string): string {
  const lines = [
    "M-SEARCH * HTTP/1.1",
    `HOST: ${host}`,
    'MAN: "ssdp:discover"',
    "MX: 1",
    `ST: ${GATEWAY_DEVICE}`,
  ];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** Where a gateway describes itself; null for what is no answer to the search, or names another host than its sender. */
export function decodeSearchAnswer(text: string, sender: string): URL | null {
  const [status = "", ...lines] = text.split("\r\n");
  if (!/^HTTP\/1\.[01] 200\b/.test(status)) return null;
  const header = (name: string): string | undefined =>
    lines
      .find((line) => line.toLowerCase().startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
  if (!header("st")?.startsWith(GATEWAY_DEVICE.slice(0, -1))) return null;
  const location = header("location");
  return location === undefined ? null : sameHost(location, undefined, sender);
}

/** A service of a gateway that gives ports. */
export interface PortService {
  readonly type: string;
  readonly control: URL;
}

/** Null: the device describes none, or one at another host. */
export function decodeDescription(xml: string, location: URL): PortService | null {
  const base = elementOf(xml, "URLBase") ?? location.href;
  const services = [...xml.matchAll(/<service>([\s\S]*?)<\/service>/g)].map(([, inner = ""]) => ({
    type: elementOf(inner, "serviceType"),
    control: elementOf(inner, "controlURL"),
  }));
  for (const type of SERVICES) {
    const found = services.find((service) => service.type === type);
    const control = found?.control === undefined ? null : sameHost(found.control, base, location.hostname);
    if (control !== null) return { type, control };
  }
  return null;
}

export type Arguments = Readonly<Record<string, string | number>>;

export function encodeAction(type: string, action: string, given: Arguments): string {
  const inner = Object.entries(given).map(([name, value]) => `<${name}>${escaped(String(value))}</${name}>`);
  return (
    '<?xml version="1.0"?>\n' +
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">' +
    `<s:Body><u:${action} xmlns:u="${type}">${inner.join("")}</u:${action}></s:Body></s:Envelope>`
  );
}

/** The text of the first element of this name that holds text alone. */
export function elementOf(xml: string, name: string): string | undefined {
  const found = new RegExp(`<(?:[\\w-]+:)?${name}(?:\\s[^>]*)?>([^<]*)<`).exec(xml)?.[1];
  return found === undefined ? undefined : unescaped(found.trim());
}

/**
 * A gateway speaks for itself alone: whoever answers a search could else have this node send requests to any host of the
 * network.
 */
function sameHost(url: string, base: string | undefined, host: string): URL | null {
  if (!URL.canParse(url, base)) return null;
  const parsed = new URL(url, base);
  return parsed.protocol === "http:" && parsed.hostname === host ? parsed : null;
}

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" } as const;
const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (each) => ENTITIES[each as keyof typeof ENTITIES]);
const PLAIN = Object.fromEntries(Object.entries(ENTITIES).map(([plain, entity]) => [entity, plain]));
const unescaped = (text: string): string =>
  text.replace(/&(?:amp|lt|gt|quot|apos);/g, (each) => PLAIN[each] ?? each);
