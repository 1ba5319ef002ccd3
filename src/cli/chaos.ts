import { fault } from "../errors/index.ts";
import { ACTORS, type ActorName, type System } from "../system/index.ts";
import type { RunEvent } from "../workflow/workflow.protocol.ts";

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

export interface Drill {
  tell(event: Pick<RunEvent, "progress">): void;
  /** Resolves, once the killed actor is up again, with the names of those that were restarted. */
  settled(): Promise<string[]>;
}

/** Kills one actor when the run has come so far, once. */
export function openDrill(
  system: Pick<System, "kill" | "health">,
  chaos: Chaos | undefined,
  note: (text: string) => void,
): Drill {
  let killing: Promise<void> | undefined;
  return {
    tell({ progress }) {
      if (!chaos || killing || progress < chaos.atProgress) return;
      note(`drill: killing ${chaos.actor} at ${Math.round(progress * 100)} %`);
      killing = system.kill(chaos.actor);
      killing.catch(() => undefined); // `settled` tells
    },
    async settled() {
      if (!chaos) return [];
      if (!killing) note(`drill: the run never reached ${chaos.atProgress * 100} %`);
      await killing;
      return killing ? restarted(system, chaos.actor) : [];
    },
  };
}

const BETWEEN_LOOKS_MS = 20;

/** What a kill brings about takes its turns: looks until the supervisor says that the actor is up. */
async function restarted(system: Pick<System, "health">, name: string): Promise<string[]> {
  for (;;) {
    const { actors } = await system.health();
    const killed = actors.find((each) => each.name === name);
    // It left for good: the run tells why.
    if (!killed) return [];
    if (killed.state === "running" && killed.epoch > 1) {
      return actors.filter(({ epoch }) => epoch > 1).map((each) => each.name);
    }
    await new Promise((resolve) => void setTimeout(resolve, BETWEEN_LOOKS_MS));
  }
}
