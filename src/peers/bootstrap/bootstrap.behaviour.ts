import { actor, type Behaviour } from "../../actor/index.ts";
import { fault } from "../../errors/index.ts";
import { checkPage } from "../../schema/index.ts";
import { Bootstrap, NETWORKING_OFF } from "../peers.protocol.ts";
import type { BootstrapServices } from "./open-bootstrap.ts";

/** Finds the first peers, and others when they are lost. With networking off it says so, and loads nothing. */
export const bootstrapBehaviour = bootstrapBehaviourOver({});

/** @param services what else than the network itself it reaches; a test hands in its own */
export function bootstrapBehaviourOver(services: BootstrapServices): Behaviour<typeof Bootstrap.members> {
  return actor(Bootstrap, async (context, { bootstrap: plan }) => {
    if (plan !== null) {
      // A node without peers does without all of it.
      const { openBootstrap } = await import("./open-bootstrap.ts");
      return openBootstrap(context, plan, services);
    }
    const off = (): never => {
      throw fault("UNAVAILABLE", { what: "the peer network", why: NETWORKING_OFF.why });
    };
    context.reportHealth(() => ({ ...NETWORKING_OFF }));
    return {
      status: () => NETWORKING_OFF,
      view: off,
      run: off,
      // Checked although there is none: a caller that gets it wrong learns it today.
      history(page) {
        checkPage(page);
        return { attempts: [], total: 0 };
      },
      clearHistory: () => ({ cleared: 0 }),
      addNode: off,
      publicAddress: off,
      natType: off,
    };
  });
}
