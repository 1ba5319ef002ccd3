import { untilAgain, type Ref } from "../actor/index.ts";
import { isFault } from "../errors/index.ts";
import type { Patience } from "../scope/index.ts";
import type { Log } from "../telemetry/index.ts";

export type Job = () => Promise<void>;

export interface WorkerServices extends Patience {
  readonly log: Log;
}

/** After so many vain tries the log says so aloud. */
const LOUD_TRIES = 6;

/**
 * Does jobs that need another actor, one after the other. After one that failed it waits until that actor can be asked
 * again, longer each time; what is to be done then is asked anew.
 */
export class PatientWorker {
  readonly #actor: Ref;
  readonly #services: WorkerServices;
  readonly #nextJob: () => Job | undefined;
  /** Told of each fault. */
  readonly #onFault: (error: unknown) => void;
  readonly #what: Readonly<Record<string, string>>;
  #isWorking = false;
  #tries = 0;

  constructor(
    actor: Ref,
    services: WorkerServices,
    jobs: {
      readonly next: () => Job | undefined;
      readonly onFault: (error: unknown) => void;
      /** For the log. */
      readonly what: Readonly<Record<string, string>>;
    },
  ) {
    this.#actor = actor;
    this.#services = services;
    this.#nextJob = jobs.next;
    this.#onFault = jobs.onFault;
    this.#what = jobs.what;
  }

  /** Something may be to be done. A defect in it is not caught: it ends the actor. */
  work(): void {
    if (this.#isWorking || this.#services.signal.aborted || this.#nextJob() === undefined) return;
    this.#isWorking = true;
    void this.#workThrough();
  }

  /** Something was achieved: the next failure is the first one. */
  achieved(): void {
    this.#tries = 0;
  }

  async #workThrough(): Promise<void> {
    const { signal, log } = this.#services;
    try {
      for (let job = this.#nextJob(); job && !signal.aborted; job = this.#nextJob()) {
        try {
          await job();
        } catch (error) {
          if (signal.aborted || isFault(error, "ACTOR_STOPPED")) return;
          if (!isFault(error)) throw error;
          this.#onFault(error);
          const level = this.#tries === LOUD_TRIES ? "warn" : "debug";
          log[level]("a run waits to go on", { ...this.#what, error, tries: this.#tries });
          await untilAgain(this.#actor, error, this.#tries++, this.#services);
        }
      }
    } finally {
      this.#isWorking = false;
    }
  }
}
