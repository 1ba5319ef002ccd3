/** Places of a list of addresses to listen on whose ports are kept; further ones get a new port in each life. */
const PLACES = 16;
const ANY_PORT = /\/tcp\/0$/;

/**
 * The ports that a node was given where it listens on any that is free, in memory that outlives its thread: peers dial it
 * again where it was, and who of them wants it back knows no other place.
 */
export class KeptPorts {
  readonly #ports: Int32Array;

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(PLACES * Int32Array.BYTES_PER_ELEMENT);
  }

  /** @param shared null: nothing is kept beyond this life */
  constructor(shared: SharedArrayBuffer | null) {
    this.#ports = new Int32Array(shared ?? KeptPorts.create());
  }

  /** The addresses with the ports of the life before; null when there are none. */
  again(listen: readonly string[]): string[] | null {
    const kept = listen.map((address, place) => {
      const port = this.#ports[place] ?? 0;
      return port === 0 ? address : address.replace(ANY_PORT, `/tcp/${port}`);
    });
    return kept.every((address, place) => address === listen[place]) ? null : kept;
  }

  /** @param addresses that the node listens on by now, with all of its interfaces */
  keep(listen: readonly string[], addresses: readonly string[]): void {
    const taken = new Set<number>();
    for (const [place, wanted] of listen.slice(0, PLACES).entries()) {
      if (!ANY_PORT.test(wanted)) continue;
      const ports = addresses.map((address) => portOf(wanted, address));
      const port = ports.find((each) => each !== 0 && !taken.has(each)) ?? 0;
      taken.add(port);
      this.#ports[place] = port;
    }
  }
}

/** The port of an address that comes of listening there; 0: it does not. */
function portOf(wanted: string, address: string): number {
  const [, kind, host] = wanted.split("/");
  const [, itsKind, itsHost, transport, port] = address.split("/");
  const isOfIt = kind === itsKind && transport === "tcp" && (host === itsHost || EVERYWHERE.has(host ?? ""));
  return isOfIt ? Number(port) : 0;
}

const EVERYWHERE: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);
