import { fault } from "../errors/index.ts";
import { ACTORS, type ActorName } from "../system/index.ts";

/** A drill: this actor is killed when the run has come so far. */
export interface Chaos {
  readonly actor: ActorName;
  /** 0 to 1. */
  readonly atProgress: number;
}

/** @throws INVALID_ARGUMENT */
export function parseChaos(text: string): Chaos {
  const [, name = "", percent = ""] = /^([a-z-]+)@(\d{1,3})%$/.exec(text) ?? [];
  const actor = ACTORS.find((each) => each === name);
  if (actor && Number(percent) <= 100) return { actor, atProgress: Number(percent) / 100 };
  const allowed = `<actor>@<percent>% with an actor of ${ACTORS.join(", ")} and a percentage up to 100`;
  throw fault("INVALID_ARGUMENT", { argument: "--chaos", got: `"${text}"`, allowed });
}
