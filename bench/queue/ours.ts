import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { openSystem, type System } from "mcplusplus";
import { inLanes } from "../kit/turns.ts";
import { timed, timedTrips, type Contestant } from "./contestant.ts";
import { TASKS, task } from "./task.ts";

const THREADS = 2;
/** How often it is asked whether all is done: seldom enough to cost nothing, and what it adds is added to our side. */
const POLL_MS = 2;
const PATIENT = { timeoutMs: 120_000 };

/** The queue of a system of its own, through the actor as users call it; an acknowledgement follows an fsync. */
export async function openOurs(): Promise<OurContestant> {
  const data = await mkdtemp(join(tmpdir(), "mcplusplus-queue-"));
  const system = await openSystem({ data, tasks: [TASKS], threads: THREADS });
  await system.actions();
  return new OurContestant(system, data);
}

class OurContestant implements Contestant {
  readonly #system: System;
  readonly #data: string;
  #submitted = 0;

  constructor(system: System, data: string) {
    this.#system = system;
    this.#data = data;
  }

  async submit(count: number, inFlight: number): ReturnType<Contestant["submit"]> {
    const { call } = this.#system.actors.queue;
    await call.pause({ reason: "only submits are measured" });
    const took = await timed(this.#fsyncs, () => this.#submitAll(count, inFlight));
    await call.clear({ states: ["queued"] }, PATIENT);
    await call.clear({ states: ["cancelled"] }, PATIENT);
    await call.resume();
    return took;
  }

  async cycle(count: number, inFlight: number): ReturnType<Contestant["cycle"]> {
    const { call } = this.#system.actors.queue;
    const took = await timed(this.#fsyncs, async () => {
      await this.#submitAll(count, inFlight);
      await this.#idle();
    });
    const { failed, cancelled } = await call.stats();
    if (failed + cancelled > 0) throw new Error(`${failed} tasks failed and ${cancelled} were cancelled`);
    await call.clear({ states: ["completed"] }, PATIENT);
    return took;
  }

  async trips(count: number): Promise<readonly number[]> {
    const { call } = this.#system.actors.queue;
    const trips = await timedTrips(count, async (index) => {
      const taskId = this.#nextId();
      await call.submit({ tasks: [task(taskId, index)] });
      await call.wait({ taskId });
    });
    await call.clear({ states: ["completed"] }, PATIENT);
    return trips;
  }

  async close(): Promise<void> {
    await this.#system.close();
    await rm(this.#data, { recursive: true, force: true });
  }

  #submitAll(count: number, inFlight: number): Promise<void> {
    const { call } = this.#system.actors.queue;
    return inLanes(count, inFlight, (index) => call.submit({ tasks: [task(this.#nextId(), index)] }));
  }

  /** All ends are on disk: the figures are those of what was committed. */
  async #idle(): Promise<void> {
    for (;;) {
      const { queued, running, cancelling } = await this.#system.actors.queue.call.stats();
      if (queued + running + cancelling === 0) return;
      await pause(POLL_MS);
    }
  }

  #nextId(): string {
    return `task-${++this.#submitted}`;
  }

  /** A commit at durability `flushed` is one fsync of the log. */
  readonly #fsyncs = async (): Promise<number> => (await this.#system.actors.queue.call.stats()).commits;
}
