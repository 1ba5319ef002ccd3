import { actor } from "../actor/index.ts";
import { fault } from "../errors/index.ts";
import { Bootstrap, NETWORKING_OFF, PEERS_PER_PAGE_MAX, PeerRegistry } from "./peers.protocol.ts";

/** Knows no peer, and says why. */
export const peerRegistryBehaviour = actor(PeerRegistry, (context) => {
  context.reportHealth(() => ({ ...NETWORKING_OFF, peers: 0 }));
  return {
    status: () => NETWORKING_OFF,
    list({ offset, limit }) {
      // Checked although the list is empty: a caller that gets it wrong learns it today.
      checkInteger("offset", offset, 0, Number.MAX_SAFE_INTEGER);
      checkInteger("limit", limit, 1, PEERS_PER_PAGE_MAX);
      return { peers: [], total: 0, status: NETWORKING_OFF };
    },
  };
});

/** Contacts no one, and says why. */
export const bootstrapBehaviour = actor(Bootstrap, (context) => {
  context.reportHealth(() => ({ ...NETWORKING_OFF }));
  return { status: () => NETWORKING_OFF };
});

function checkInteger(argument: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw fault("INVALID_ARGUMENT", {
    argument,
    got: String(value),
    allowed: `an integer from ${min} to ${max}`,
  });
}
