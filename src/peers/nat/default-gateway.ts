import { readFile } from "node:fs/promises";

/** The kernel's table of routes, one line each, with addresses as hexadecimal words of this machine's byte order. */
const ROUTES = "/proc/net/route";
const FLAG_UP = 0x1;
const FLAG_GATEWAY = 0x2;

/**
 * The gateway of the IPv4 default route; null where there is none, or where the system has no such file: there a gateway is
 * found by UPnP alone.
 */
export async function defaultGateway(path = ROUTES): Promise<string | null> {
  try {
    return gatewayOf(await readFile(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return null;
  }
}

/** Of several default routes, that with the lowest metric. */
export function gatewayOf(routes: string): string | null {
  const defaults = routes
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, destination, gateway, flags = "", , , , mask]) => {
      const isUp = (Number.parseInt(flags, 16) & (FLAG_UP | FLAG_GATEWAY)) === (FLAG_UP | FLAG_GATEWAY);
      return (
        destination === "00000000" && mask === "00000000" && isUp && /^[0-9A-F]{8}$/i.test(gateway ?? "")
      );
    })
    .toSorted((a, b) => Number(a[6]) - Number(b[6]));
  const [best] = defaults;
  return best?.[2] === undefined ? null : addressOf(best[2]);
}

function addressOf(word: string): string {
  const bytes = Buffer.from(new Uint32Array([Number.parseInt(word, 16)]).buffer);
  return bytes.join(".");
}
