import { statfs } from "node:fs/promises";
import { cpus, freemem, totalmem } from "node:os";
import type { Actors } from "./actors.ts";
import type { Vitals } from "./alerts.ts";

const MB = 2 ** 20;

/** The times of all processors since the machine was started, in milliseconds. */
interface CpuTimes {
  readonly busy: number;
  readonly all: number;
}

/** Gathers what alerts are about. How busy the processors are is told since the look before. */
export class VitalSigns {
  readonly #actors: Actors;
  readonly #data: string | null;
  #before: CpuTimes = cpuTimes();

  /** @param data directory, on the disk that is looked at */
  constructor(actors: Actors, data: string | null) {
    this.#actors = actors;
    this.#data = data;
  }

  /** What cannot be measured is not known; an actor that is away says nothing. */
  async look(): Promise<Vitals> {
    const [tools, queue, cache, workflows, disk] = await Promise.all([
      this.#tools().catch(none),
      this.#queue().catch(none),
      this.#cache().catch(none),
      this.#workflows().catch(none),
      this.#disk().catch(none),
    ]);
    return { ...this.#machine(), ...disk, ...tools, ...cache, ...queue, ...workflows };
  }

  #machine(): Vitals {
    const [before, now] = [this.#before, cpuTimes()];
    this.#before = now;
    const all = now.all - before.all;
    return {
      cpu_high: { value: all > 0 ? percentOf(now.busy - before.busy, all) : null },
      memory_high: { value: percentOf(totalmem() - freemem(), totalmem()) },
      process_memory_high: { value: process.memoryUsage.rss() / MB },
    };
  }

  async #disk(): Promise<Vitals> {
    if (this.#data === null) return {};
    const { blocks, bavail } = await statfs(this.#data);
    return { disk_high: { value: percentOf(blocks - bavail, blocks) } };
  }

  async #tools(): Promise<Vitals> {
    const { router } = this.#actors;
    const [{ measured, failures }, runtimes] = await Promise.all([
      router.call.stats(),
      router.call.runtimes(),
    ]);
    const calls = runtimes.reduce((sum, each) => sum + each.calls, 0);
    const spent = runtimes.reduce((sum, each) => sum + each.calls * each.meanMs, 0);
    const p2p = runtimes.find(({ runtime }) => runtime === "p2p");
    return {
      error_rate_high: { value: shareOf(failures, measured), samples: measured },
      response_time_high: { value: calls === 0 ? null : spent / calls, samples: calls },
      latency_high: { value: p2p?.p95Ms ?? null, samples: p2p?.calls ?? 0 },
    };
  }

  async #queue(): Promise<Vitals> {
    const { queued, completed, failed } = await this.#actors.queue.call.stats();
    const ended = completed + failed;
    return {
      queue_long: { value: queued },
      task_success_low: { value: shareOf(completed, ended), samples: ended },
    };
  }

  async #cache(): Promise<Vitals> {
    const { hits, misses } = await this.#actors.cache.call.stats();
    return { cache_hit_rate_low: { value: shareOf(hits, hits + misses), samples: hits + misses } };
  }

  async #workflows(): Promise<Vitals> {
    const { list } = this.#actors.scheduler.call;
    const countOf = async (state: "completed" | "failed"): Promise<number> =>
      (await list({ states: [state], offset: 0, limit: 1 })).total;
    const [completed, failed] = await Promise.all([countOf("completed"), countOf("failed")]);
    const ended = completed + failed;
    return { workflow_failures_high: { value: shareOf(failed, ended), samples: ended } };
  }
}

const none = (): Vitals => ({});

const percentOf = (part: number, whole: number): number => (part / whole) * 100;

/** In percent; null of nothing. */
const shareOf = (part: number, whole: number): number | null => (whole === 0 ? null : percentOf(part, whole));

function cpuTimes(): CpuTimes {
  let [busy, all] = [0, 0];
  for (const { times } of cpus()) {
    const sum = times.user + times.nice + times.sys + times.idle + times.irq;
    busy += sum - times.idle;
    all += sum;
  }
  return { busy, all };
}
