import { answer } from "../kit/child.ts";
import { openBareNode, serveBoth } from "./link-node.ts";

/** The other node: it answers what it is asked with the same. */
const node = await openBareNode();
await serveBoth(node);
answer({ address: () => node.getMultiaddrs()[0]?.toString() ?? "" });
