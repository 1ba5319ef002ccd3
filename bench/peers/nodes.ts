import type { NetworkOptions, NodeFigures } from "mcplusplus";
import { openChild, type Child } from "../kit/child.ts";

export interface NodePlan {
  readonly data: string | null;
  readonly threads: number;
  /** Has it the handlers of `peer.tasks.ts`? */
  readonly handlers: boolean;
  readonly network: NetworkOptions | null;
}

export interface Token {
  readonly token: string;
}

export interface PeerNode extends NodeFigures {
  readonly child: Child;
}

const PROGRAM = new URL("./node.process.ts", import.meta.url);

/** A node in a process of its own, that runs the package as it is built. */
export async function openNode(plan: NodePlan): Promise<PeerNode> {
  const child = openChild(PROGRAM, { built: true });
  return { child, ...(await child.ask<NodeFigures>("open", plan)) };
}

/** From now on tasks of `asker` may run on `worker`. */
export async function engage(asker: PeerNode, worker: PeerNode, actions: readonly string[]): Promise<void> {
  const { token } = await worker.child.ask<Token>("allow", { peerId: asker.peerId, actions });
  const [address] = worker.addresses;
  await asker.child.ask("use", { token, peerId: worker.peerId, address });
  for (let tries = 0; tries < 100; tries++) {
    const outlets = await asker.child.ask<readonly { readonly held: string | null }[]>("outlets");
    if (outlets.some(({ held }) => held === null)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the worker takes nothing");
}
