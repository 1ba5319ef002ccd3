import { fault } from "../errors/index.ts";
import type { SystemOptions } from "../system/index.ts";
import type { Flags, Values } from "./arguments.ts";
import { NETWORK_FLAGS, networkGiven } from "./network-flags.ts";
import { dataAskedOf } from "./setting-flags.ts";

/** Networking needs no flag of its own where a command is about peers. */
const { network: _, ...rest } = NETWORK_FLAGS;
export const NODE_FLAGS: Flags = rest;

/**
 * A command about peers needs a node. Where a process with networking owns the directory, that is its node; else one is
 * started for the moment, with the settings of the network, and ends with the command.
 *
 * @throws INVALID_ARGUMENT
 */
export const nodeOptions = (values: Values): SystemOptions => ({
  data: dataAskedOf(values),
  attach: true,
  idle: true,
  network: networkGiven(values),
});

/** Whom an address leads to. @throws INVALID_ARGUMENT for one that does not say */
export function peerIdOf(address: string): string {
  const [, peerId] = /^\/.*\/p2p\/([^/]+)$/.exec(address) ?? [];
  if (peerId !== undefined) return peerId;
  const allowed = "an address that ends with /p2p/<id>, such as /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW…";
  throw fault("INVALID_ARGUMENT", { argument: "<multiaddr>", got: `"${address.slice(0, 200)}"`, allowed });
}
