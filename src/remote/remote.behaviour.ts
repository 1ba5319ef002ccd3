import { actor, type HandlersOf } from "../actor/index.ts";
import { fault } from "../errors/index.ts";
import { Remote } from "./remote.protocol.ts";

type Calls = HandlersOf<typeof Remote.members>;

/** Work on other peers, and their work here. What it takes is loaded when it is on. */
export const remoteBehaviour = actor(Remote, async (context, init): Promise<Calls> => {
  if (!init.on) {
    context.reportHealth(() => ({ on: false }));
    return OFF;
  }
  const { openRemote } = await import("./open-remote.ts");
  return openRemote(context, init);
});

const off = (): never => {
  const why = "networking is off; the option network of openSystem, or --network, turns it on";
  throw fault("UNAVAILABLE", { what: "work on other peers", why });
};

const OFF: Calls = {
  grant: off,
  revoke: off,
  grants: off,
  use: off,
  drop: off,
  outlets: off,
  authorize: off,
  refusals: off,
};
