import { fault, isFault } from "../errors/index.ts";
import { openSupervisor, type SupervisorHandle } from "../supervisor/index.ts";
import { spawnActors, type Actors } from "./actors.ts";
import type { Foundation } from "./foundation.ts";
import { inWordsOfNetwork } from "./network-options.ts";
import type { ResolvedOptions } from "./options.ts";

/** The eight actors of a process that owns its directory, or has none. */
export interface OwnActors {
  readonly supervisor: SupervisorHandle;
  readonly actors: Actors;
}

/** @throws STORE_OWNED, STORE_NEWER, STORE_CORRUPT, ACTOR_START_FAILED; nothing is left then */
export async function openOwnActors(options: ResolvedOptions): Promise<OwnActors> {
  const supervisor = openSupervisor(options.supervision);
  try {
    return { supervisor, actors: await spawnActors(supervisor, options) };
  } catch (error) {
    await supervisor.close();
    throw inWordsOfNetwork(inWordsOfDirectory(innermostStartFailure(error), options));
  }
}

/** A process that shares its directory with no other. @throws what `openOwnActors` throws */
export async function openAlone(options: ResolvedOptions): Promise<Foundation> {
  const { supervisor, actors } = await openOwnActors(options);
  return { ...supervisor, actors, graceMs: options.graceMs, role: "owner" };
}

/** "queue could not be started: … is in use" is what its cause says in fewer words and with a code of its own. */
function innermostStartFailure(error: unknown): unknown {
  if (!isFault(error, "ACTOR_START_FAILED") || !isFault(error.cause) || error.cause.code === "DEFECT")
    return error;
  return innermostStartFailure(error.cause);
}

/** Whoever opens a directory knows it by its name, and not which of its files is opened first. */
function inWordsOfDirectory(error: unknown, { data, attach }: ResolvedOptions): unknown {
  if (data === null || !isFault(error, "STORE_OWNED")) return error;
  const wayOut = attach
    ? "it lets no other process attach, so it has to end first"
    : "one process owns a data directory, and others open it with attach";
  return fault("STORE_OWNED", { ...error.details, path: data, wayOut }, { cause: error });
}
