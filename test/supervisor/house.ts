import { onTestFinished } from "vitest";
import type { RefOf } from "../../src/actor/index.ts";
import { isFault } from "../../src/errors/index.ts";
import {
  openSupervisor,
  type SpawnOptions,
  type SupervisorHandle,
  type SupervisorSetup,
} from "../../src/supervisor/index.ts";
import { openSimulated } from "../kit/simulated.ts";
import { actorsOf, createJournal, entries, type JournalEvent } from "./modules/journal.ts";
import { Part, type Trouble } from "./modules/part.protocol.ts";

// Actors die in these tests all the time; that is no news.
process.env["MCPLUSPLUS_LOG"] ??= "error";

export const partModule = new URL("./modules/part.actor.ts", import.meta.url).href;

/** Everything in a simulation; actors on threads beside the program; and the supervisor on a thread of its own, too. */
export type HouseKind = "simulation" | "host" | "thread";

export type PartRef = RefOf<typeof Part>;
type PartOptions = Partial<Omit<SpawnOptions<(typeof Part)["members"]>, "init">> & {
  readonly trouble?: Trouble;
};

/** A supervisor whose children write into one journal. Closed when the test has ended. */
export interface House {
  readonly supervisor: SupervisorHandle;
  readonly journal: Uint8Array;
  /** Spawns `part-<id>`. */
  part(id: number, options?: PartOptions): Promise<PartRef>;
  /** What happened so far, in order. */
  happened(): string[];
  /** To whom this happened so far, in order. */
  whoDid(event: JournalEvent): number[];
  /** Waits for a promise; in the simulation it also lets the world go on. */
  drive<T>(promise: Promise<T>): Promise<T>;
  /** The answer of a call, whichever life of the actor gives it. */
  eventually<T>(part: PartRef, ask: () => Promise<T>): Promise<T>;
}

export async function openHouse(where: HouseKind, setup: SupervisorSetup = {}): Promise<House> {
  const { supervisor, drive } =
    where === "simulation"
      ? await openSimulated({ ...setup, modules: [partModule] })
      : {
          supervisor: openSupervisor({ ...setup, supervisor: where }),
          drive: <T>(promise: Promise<T>) => promise,
        };
  onTestFinished(() => drive(supervisor.close()));
  const journal = createJournal();
  const retried = async <T>(part: PartRef, ask: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!isFault(error, "ACTOR_RESTARTING")) throw error;
        await part.ready();
      }
    }
  };
  return {
    supervisor,
    journal,
    part: (id, { trouble, ...options } = {}) => {
      const init = { id, journal, ...(trouble && { trouble }) };
      return drive(supervisor.spawn(Part, { name: `part-${id}`, module: partModule, ...options, init }));
    },
    happened: () => entries(journal),
    whoDid: (event) => actorsOf(journal, event),
    drive,
    eventually: (part, ask) => drive(retried(part, ask)),
  };
}
