import { cpus } from "node:os";
import { performance } from "node:perf_hooks";

/** What the generator and the system together took from the machine, and what was taken by others. */
export interface HostCost {
  /** 0 to 1: how much of the time the thread of the generator was busy. */
  readonly hostThreadBusy: number;
  /** Processors that this process kept busy, on average. */
  readonly processors: number;
  /** Processors that everything else on the machine kept busy: above a little, the figures are of what was left over. */
  readonly othersProcessors: number;
  /** Memory of the whole process at the end. */
  readonly memoryMb: number;
}

/** Begins to measure what the process spends. */
export function openHostCost(): { spent(): HostCost } {
  const startMs = performance.now();
  const loop = performance.eventLoopUtilization();
  const cpu = process.cpuUsage();
  const machineMs = machineBusyMs();
  return {
    spent() {
      const { user, system } = process.cpuUsage(cpu);
      const elapsedMs = Math.max(1, performance.now() - startMs);
      const oursMs = (user + system) / 1_000;
      return {
        hostThreadBusy: performance.eventLoopUtilization(loop).utilization,
        processors: oursMs / elapsedMs,
        othersProcessors: Math.max(0, machineBusyMs() - machineMs - oursMs) / elapsedMs,
        memoryMb: process.memoryUsage().rss / 2 ** 20,
      };
    },
  };
}

/** Of all processors together, since the machine was started. */
const machineBusyMs = (): number =>
  cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
