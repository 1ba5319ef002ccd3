import type { ActorContext, HandlersOf } from "../../actor/index.ts";
import { LIMITS } from "../../errors/index.ts";
import { checkInteger, checkNumber, checkPage, checkTexts, invalidArgument } from "../../schema/index.ts";
import { openWhereabouts, type WhereaboutsServices } from "../nat/whereabouts.ts";
import { Network } from "../network.protocol.ts";
import {
  PeerRegistry,
  type Bootstrap,
  type BootstrapNode,
  type BootstrapPlan,
  type BootstrapView,
} from "../peers.protocol.ts";
import type { RunOrder } from "./bootstrap.core.ts";
import type { Candidate } from "./dial-run.ts";
import { FirstPeers } from "./first-peers.ts";
import { parseNodeAddress } from "./node-address.ts";
import { PUBLIC_NODES } from "./public-nodes.ts";

type Members = typeof Bootstrap.members;

export type BootstrapServices = WhereaboutsServices;

const CALL_PRIORITY = 0;
const CUSTOM_PRIORITY = 3;
const DEFAULT_PRIORITY = 5;
const PRIORITY_MAX = 10;

/**
 * The bootstrap of a node whose networking is on.
 *
 * @throws INVALID_ARGUMENT when the plan has an address, a server or a service that cannot be one
 */
export function openBootstrap(
  context: ActorContext<Members>,
  plan: BootstrapPlan,
  services: BootstrapServices,
): HandlersOf<Members> {
  const { clock, random, log, signal, emit } = context;
  checkInteger("connectionsMin", plan.connectionsMin, 0, LIMITS.peers.connections);
  const network = context.ref(Network);
  const whereabouts = openWhereabouts({ clock, random, log, signal, network }, plan, services);
  const peers = new FirstPeers(
    {
      network,
      registry: context.ref(PeerRegistry),
      clock,
      random,
      log,
      signal,
      moved: (state) => emit.moved({ state }),
      readdressed: () => whereabouts.readdressed(),
    },
    { nodes: plannedNodes(plan), connectionsMin: plan.connectionsMin },
  );
  context.defer(() => peers.close());
  context.defer(() => whereabouts.close());
  peers.start();
  whereabouts.start();

  const view = (): BootstrapView => {
    const { state, connections, connectionsMin, rerunAtMs } = peers.core;
    return {
      state,
      connections,
      connectionsMin,
      natType: whereabouts.natType,
      publicAddress: whereabouts.publicAddress,
      mappedAddress: whereabouts.mappedAddress,
      nextTryMs: rerunAtMs === Infinity ? null : Math.max(0, rerunAtMs - clock.now()),
    };
  };
  context.reportHealth(() => ({ networking: "on", ...view() }));
  return {
    status: () => ({ networking: "on", why: sentenceFor(view()) }),
    view,
    run: async (asked, message) => {
      const result = await peers.run(orderOf(asked), message.signal);
      return { ...result, attempts: [...result.attempts], connectedPeers: [...result.connectedPeers] };
    },
    history(page) {
      checkPage(page);
      return peers.core.history(page.offset, page.limit);
    },
    clearHistory: () => ({ cleared: peers.core.clearHistory() }),
    addNode({ address, priority, timeoutMs }) {
      checkInteger("priority", priority, 0, PRIORITY_MAX);
      checkNumber("timeoutMs", timeoutMs, 1, LIMITS.peers.waitS * 1000);
      peers.core.addNode({ ...parseNodeAddress("address", address), source: "custom", priority, timeoutMs });
    },
    publicAddress: ({ refresh }, message) => whereabouts.askPublicAddress(refresh, message.signal),
    natType: ({ refresh }, message) => whereabouts.askNatType(refresh, message.signal),
  };
}

function plannedNodes({ custom, defaults }: BootstrapPlan): Candidate[] {
  return [
    ...candidates("custom", custom, "custom", CUSTOM_PRIORITY),
    ...candidates("defaults", defaults ? PUBLIC_NODES : [], "default", DEFAULT_PRIORITY),
  ];
}

function orderOf(asked: {
  nodes: string[];
  connectionsMin: number;
  connectionsMax: number;
  timeoutMs: number;
}): RunOrder {
  const { nodes, connectionsMin, connectionsMax, timeoutMs } = asked;
  const { connections, waitS } = LIMITS.peers;
  checkInteger("connectionsMax", connectionsMax, 1, connections);
  checkInteger("connectionsMin", connectionsMin, 0, connectionsMax);
  checkNumber("timeoutMs", timeoutMs, 1, waitS * 1000);
  const own = candidates("nodes", nodes, "call", CALL_PRIORITY);
  return { nodes: own.length === 0 ? null : own, connectionsMin, connectionsMax, timeoutMs };
}

/** @throws INVALID_ARGUMENT */
function candidates(
  argument: string,
  addresses: readonly string[],
  source: BootstrapNode["source"],
  priority: number,
): Candidate[] {
  checkTexts(argument, addresses);
  const limit = LIMITS.peers.bootstrapNodes;
  if (addresses.length > limit)
    throw invalidArgument(argument, `a list of ${addresses.length} addresses`, `${limit} addresses at most`);
  const { dialMs } = LIMITS.bootstrap;
  return addresses.map((address, index) => ({
    ...parseNodeAddress(`${argument}[${index}]`, address),
    source,
    priority,
    timeoutMs: dialMs,
  }));
}

const STANDING: Readonly<Record<BootstrapView["state"], string>> = {
  idle: "nobody has asked for peers yet",
  probing: "it finds out whom to dial",
  dialling: "peers are being dialled",
  ready: "enough peers are connected",
  degraded: "too few peers are connected",
};

const sentenceFor = ({ state, connections, connectionsMin }: BootstrapView): string =>
  `${STANDING[state]}: ${connections} of at least ${connectionsMin}`;
