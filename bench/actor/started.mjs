import { setTimeout as pause } from "node:timers/promises";
import { openSystem } from "../../dist/src/index.js";

/**
 * One start of the built package, as a program of its own: prints when all actors were ready, counted from the
 * start of the process, and what the system then costs while it has nothing to do.
 */
const SETTLE_MS = 1_000;
const IDLE_MS = 3_000;

await using system = await openSystem({ data: process.argv[2] });
const { healthy } = await system.health();
if (!healthy) throw new Error("not all actors are up");
const readyMs = performance.now();
await pause(SETTLE_MS);
const before = process.cpuUsage();
await pause(IDLE_MS);
const { user, system: kernel } = process.cpuUsage(before);
process.stdout.write(
  JSON.stringify({
    readyMs,
    residentMb: process.memoryUsage.rss() / 2 ** 20,
    idleCpuPercent: ((user + kernel) / 1_000 / IDLE_MS) * 100,
  }),
);
