import { actor, type ActorContext, type InitOf, type MessageContext } from "../../actor/index.ts";
import { fault } from "../../errors/index.ts";
import { NETWORKING_OFF } from "../peers.protocol.ts";
import { Network, type NetworkStatus } from "../network.protocol.ts";
import { KeptPorts } from "./kept-ports.ts";
import type { NetworkNode, NodePlace } from "./network-node.ts";

type Members = typeof Network extends { readonly members: infer M } ? M : never;
type Context = ActorContext<Members>;

const ON: NetworkStatus = Object.freeze({ networking: "on", why: "this node listens and dials" });

/**
 * The thread of the network. With networking off it loads nothing of libp2p, and says so.
 *
 * Setup rejects with INVALID_ARGUMENT, FILE_UNREADABLE, FILE_UNWRITABLE (the identity's file) and UNAVAILABLE (it cannot
 * listen).
 */
export const networkBehaviour = actor(Network, async (context, { host }: InitOf<Members>) => {
  const node = host === null ? null : await openNode(context, host);
  context.reportHealth(() => (node === null ? { ...NETWORKING_OFF } : { ...ON, ...node.figures() }));
  const on = (): NetworkNode => {
    if (node === null) throw fault("UNAVAILABLE", { what: "the network", why: NETWORKING_OFF.why });
    return node;
  };
  return {
    status: () => (node === null ? NETWORKING_OFF : ON),
    figures: () => on().figures(),
    dial: async (request, { signal }) => on().dial(request, signal),
    hangUp: async ({ peerId, graceMs }) => ({ wasConnected: await on().hangUp(peerId, graceMs) }),
    connections: () => ({ connections: on().connections() }),
    announce: ({ addresses }) => on().announce(addresses),
    request: async (asked, message) => ({ body: await on().request(asked, terms(context, message)) }),
    ping: async ({ peerId }, { signal }) => ({ rttMs: await on().ping(peerId, signal) }),
    serve: ({ prefixes }) => on().desk.serve(prefixes),
    reply: ({ requestId, end }) => on().desk.reply(requestId, end),
    openStream: async ({ peerId, protocol }, { signal }) => ({
      streamId: await on().openStream(peerId, protocol, signal),
    }),
    acceptStreams: async ({ protocols }) => on().acceptStreams(protocols),
    readStream: async ({ streamId }, { signal }) => ({ bytes: await on().streams.read(streamId, signal) }),
    writeStream: async ({ streamId, bytes }, { signal }) => on().streams.write(streamId, bytes, signal),
    closeStream: async ({ streamId, graceful }) => on().streams.close(streamId, graceful),
    publish: async ({ record }) => ({ peers: await on().publish(record) }),
    provide: async ({ capabilities }, { signal }) => ({ provided: await on().provide(capabilities, signal) }),
    findProviders: async ({ capabilities, max }, { signal }) => ({
      peers: await on().findProviders(capabilities, max, signal),
    }),
    sightings: () => ({ peers: on().sightings.latest() }),
    seal: async (content) => ({ envelope: await on().seal(content) }),
  };
});

async function openNode(context: Context, host: NonNullable<InitOf<Members>["host"]>): Promise<NetworkNode> {
  // All of libp2p hangs on this import.
  const { NetworkNode } = await import("./network-node.ts");
  const { emit } = context;
  const place: NodePlace = {
    clock: context.clock,
    log: context.log,
    signal: context.signal,
    connected: (info) => emit.connected(info),
    disconnected: (peerId, why) => emit.disconnected({ peerId, why }),
    readdressed: (addresses) => emit.readdressed({ addresses }),
    requested: (request) => emit.requested(request),
    withdrawn: (requestId) => emit.withdrawn({ requestId }),
    opened: (streamId, peerId, protocol) => emit.opened({ streamId, peerId, protocol }),
    heard: (record) => emit.heard({ record, source: "gossip" }),
    sighted: (hint) => emit.sighted(hint),
  };
  const node = await NetworkNode.open(host, place, new KeptPorts(context.shared));
  context.defer(() => node.stop());
  return node;
}

const terms = (context: Context, message: MessageContext) => ({
  timeoutMs: message.deadlineMs - context.clock.now(),
  signal: message.signal,
  traceparent: message.traceparent,
});
