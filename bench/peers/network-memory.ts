import type { Figures } from "../kit/turns.ts";
import { openNode } from "./nodes.ts";

/** Until what a start has left behind is collected. */
const REST_MS = 3_000;

/** What a system holds while nobody asks: without networking, with the thread of the network alone, and with all of it. */
export async function networkMemory(): Promise<Figures> {
  const off = await openNode({ data: null, threads: 1, handlers: false, network: null });
  const figures: Record<string, number> = {};
  try {
    figures["resident_off"] = await rested(off.child);
    await off.child.ask("networkThread");
    figures["resident_network_thread"] = await rested(off.child);
  } finally {
    await off.child.ask("close");
    await off.child.end();
  }
  const on = await openNode({ data: null, threads: 1, handlers: false, network: {} });
  try {
    figures["resident_on"] = await rested(on.child);
  } finally {
    await on.child.ask("close");
    await on.child.end();
  }
  return figures;
}

async function rested(child: Awaited<ReturnType<typeof openNode>>["child"]): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  return child.ask<number>("resident");
}
