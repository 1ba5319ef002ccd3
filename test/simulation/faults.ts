import type { FaultKind } from "./tally.ts";
import type { World } from "./world.ts";

/** What a seed may do to the world between commands; false when it does not apply now. What handlers suffer, the pool decides. */
export const WORLD_FAULTS: Partial<
  Record<FaultKind, (world: World) => Promise<boolean | void> | boolean | void>
> = {
  restart: (world) => kill(world, false),
  power_cut: (world) => kill(world, true),
  stop_and_start: async (world) => {
    const { requests, supervisor, turns } = world;
    requests.queue = null;
    await turns.until(supervisor.stopChild("queue"));
    await world.start();
  },
  disk_full: ({ disk, requests }) => disk.fill(1 + requests.below(3)),
  disk_error: ({ disk, requests }) => disk.fail(1 + requests.below(2)),
  input_unreadable: ({ disk }) => disk.hide(1),
  clock_forward: ({ clock, requests }) => void (clock.wallOffsetMs += requests.below(3_000)),
  clock_back: ({ clock, requests }) => void (clock.wallOffsetMs -= requests.below(20_000)),
  caller_gone: ({ requests }) => requests.giveUp(),
  worker_dies: ({ requests }) => {
    const workerId = requests.pick(requests.leases)?.workerId;
    if (workerId === undefined) return false;
    // What it had it may still report one day, too late.
    requests.oldLeases.push(...requests.leases.filter((lease) => lease.workerId === workerId));
    requests.leases = requests.leases.filter((lease) => lease.workerId !== workerId);
    return true;
  },
};

async function kill(
  { supervisor, disk, turns, requests, checker }: World,
  isPowerCut: boolean,
): Promise<void> {
  const killed = supervisor.kill("queue");
  if (isPowerCut) {
    disk.cutPower();
    checker.powerFailed();
  }
  await turns.until(killed);
  const { queue } = requests;
  if (queue) await turns.until(queue.ready());
}
