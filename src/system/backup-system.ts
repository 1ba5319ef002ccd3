import { withScope } from "../scope/index.ts";
import type { Actors } from "./actors.ts";
import { copyAnew, writeBackup, type BackupOptions, type BackupSummary } from "./backup.ts";
import type { ResolvedOptions } from "./options.ts";
import { openStopped } from "./stopped-data.ts";
import { throughRestarts } from "./through-restarts.ts";

const WAY_OUT = "end that process first, or let it make the backup itself with system.backup(directory)";

/** So long at a time nothing is collected, so that a backup that dies holds nothing up. */
const HOLD_MS = 60_000;

/** A backup of a system that is open, each file copied by its owner while work goes on. */
export function backupSystem(
  { scheduler, queue, cache }: Actors,
  { data }: Pick<ResolvedOptions, "data">,
  directory: string,
  options: BackupOptions,
): Promise<BackupSummary> {
  const { signal = new AbortController().signal } = options;
  type Owner = typeof scheduler | typeof queue | typeof cache;
  const by = (owner: Owner) => (to: string) =>
    throughRestarts(
      owner,
      () => copyAnew(to, (path) => owner.call.backup({ path }, { signal, timeoutMs: Infinity })),
      signal,
    );
  const stores = {
    "scheduler.sqlite": by(scheduler),
    "queue.sqlite": by(queue),
    "cache.sqlite": by(cache),
  };
  return withScope({ name: "the backup" }, async (scope) => {
    const hold = (): Promise<void> =>
      throughRestarts(scheduler, () => scheduler.call.hold({ forMs: HOLD_MS }), scope.signal);
    await hold();
    void scope.spawn(async () => {
      for (;;) {
        await scope.sleep(HOLD_MS / 3);
        await hold();
      }
    });
    const summary = await writeBackup(directory, { stores, data }, options);
    scope.cancel("the backup is made");
    return summary;
  });
}

/** A backup of a data directory that no process has open. */
export async function backupStopped(
  data: string,
  directory: string,
  options: BackupOptions = {},
): Promise<BackupSummary> {
  await using stopped = await openStopped(data, { wayOut: WAY_OUT });
  const { path, leftOut } = stopped;
  const stores = Object.fromEntries(
    Object.entries(stopped.stores).map(([name, store]) => [name, (to: string) => store.backup(to)]),
  );
  return await writeBackup(directory, { stores, data: path, leftOut }, options);
}
