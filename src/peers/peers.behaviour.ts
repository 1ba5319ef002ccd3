import { actor } from "../actor/index.ts";
import { checkPage } from "../schema/index.ts";
import { Bootstrap, NETWORKING_OFF, PeerRegistry } from "./peers.protocol.ts";

/** Knows no peer, and says why. */
export const peerRegistryBehaviour = actor(PeerRegistry, (context) => {
  context.reportHealth(() => ({ ...NETWORKING_OFF, peers: 0 }));
  return {
    status: () => NETWORKING_OFF,
    list(page) {
      // Checked although the list is empty: a caller that gets it wrong learns it today.
      checkPage(page);
      return { peers: [], total: 0, status: NETWORKING_OFF };
    },
  };
});

/** Contacts no one, and says why. */
export const bootstrapBehaviour = actor(Bootstrap, (context) => {
  context.reportHealth(() => ({ ...NETWORKING_OFF }));
  return { status: () => NETWORKING_OFF };
});
