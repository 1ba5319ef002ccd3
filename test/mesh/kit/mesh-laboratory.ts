import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { NodeFigures } from "../../../src/peers/network.protocol.ts";
import type { Outlet } from "../../../src/remote/remote.protocol.ts";
import type { NetworkOptions } from "../../../src/system/index.ts";
import { NatLaboratory, type LaboratoryHost } from "../../peers/kit/nat-laboratory.ts";
import { startNode, until, type MeshNode } from "./mesh.ts";

/** Whole nodes on hosts of networks that a test makes. */

/** Torn down when the test is over, after the nodes on it, which are started later. */
export async function openLaboratory(): Promise<NatLaboratory> {
  const laboratory = await NatLaboratory.open();
  onTestFinished(() => laboratory[Symbol.asyncDispose]());
  return laboratory;
}

export interface HostedNode {
  readonly network: NetworkOptions;
  readonly tasks?: string[];
  readonly threads?: number;
}

/** A node on a host, with a data directory of the host's name. */
export function nodeOn(
  { namespace, name }: LaboratoryHost,
  directory: string,
  { network, tasks = [], threads = 1 }: HostedNode,
): Promise<MeshNode> {
  const within = ["ip", "netns", "exec", namespace];
  return startNode({ within, data: join(directory, name), tasks, threads, network });
}

/** The node's own address that has this in it, as soon as there is one. */
export async function addressWith(node: MeshNode, part: string): Promise<string> {
  const { addresses } = await until(
    `an address with ${part}`,
    () => node.ask<NodeFigures>("peers.node"),
    (figures) => figures.addresses.some((address) => address.includes(part)),
  );
  return addresses.find((address) => address.includes(part)) ?? "";
}

export const outletOf = async (asker: MeshNode, peerId: string): Promise<Outlet | undefined> =>
  (await asker.ask<Outlet[]>("peers.outlets")).find((outlet) => outlet.peerId === peerId);

/** Tasks may go there. */
export const isFree = (outlet: Outlet | undefined): boolean => outlet?.held === null;
