import { actor, type ActorContext, type Behaviour, type HandlersOf } from "../../actor/index.ts";
import { fault } from "../../errors/index.ts";
import { NETWORKING_OFF, PeerRegistry } from "../peers.protocol.ts";
import type { RegistryServices } from "./open-registry.ts";

/**
 * Who is out there, as an actor. With networking off it opens no file and loads nothing.
 *
 * @throws what `openRegistry` throws
 */
export const peerRegistryBehaviour = peerRegistryBehaviourOver({});

export function peerRegistryBehaviourOver(
  services: Partial<RegistryServices>,
): Behaviour<typeof PeerRegistry.members> {
  return actor(PeerRegistry, async (context, { discovery }) => {
    if (discovery === null) return turnedOff(context);
    const { openRegistry } = await import("./open-registry.ts");
    return openRegistry(context, discovery, services);
  });
}

function turnedOff(
  context: ActorContext<typeof PeerRegistry.members>,
): HandlersOf<typeof PeerRegistry.members> {
  const refuse = (): never => {
    throw fault("UNAVAILABLE", { what: "the peer network", why: NETWORKING_OFF.why });
  };
  context.reportHealth(() => ({ ...NETWORKING_OFF, peers: 0 }));
  return {
    status: () => NETWORKING_OFF,
    counts: () => ({ counts: {} }),
    // An empty list would say that there is nobody, which is more than is known.
    list: refuse,
    discover: refuse,
    peer: refuse,
    history: refuse,
    connect: refuse,
    disconnect: refuse,
    offer: refuse,
    judged: refuse,
    forget: refuse,
  };
}
