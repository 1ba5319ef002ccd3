/** A port of a gateway that leads to a TCP port of this node for a while. */
export interface PortLease {
  /** IPv4, of the gateway's outer side. */
  readonly externalAddress: string;
  readonly externalPort: number;
  /** Of this machine, as the gateway sees it. */
  readonly internalAddress: string;
  /** Seconds; Infinity when the gateway knows no end. */
  readonly lifetimeS: number;
}

/** A gateway that can be asked for ports. Every wait of it is bounded. */
export interface Gateway {
  /** The protocol that it speaks. */
  readonly kind: "pcp" | "nat_pmp" | "upnp";
  /** The address of this machine on the gateway's inner side. */
  readonly internalAddress: string;
  /**
   * A lease, or the renewal of the one there is.
   *
   * @param wantedPort of the outer side; the gateway may give another
   * @throws an Error with the gateway's reason
   */
  map(internalPort: number, wantedPort: number): Promise<PortLease>;
  /** Gives the port back; what the gateway does not hear of ends with its lease. */
  release(internalPort: number, externalPort: number): Promise<void>;
  close(): void;
}

/**
 * What is asked for. Gateways may give less; a node that dies blocks its port for no longer than that.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6886#section-3.3
 */
export const LEASE_S = 7_200;
