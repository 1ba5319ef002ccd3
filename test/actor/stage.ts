import { onTestFinished } from "vitest";
import type { Mailbox, RefOf } from "../../src/actor/index.ts";
import { isFault } from "../../src/errors/index.ts";
import { openSupervisor, type SupervisorHandle } from "../../src/supervisor/index.ts";
import { openSimulated } from "../kit/simulated.ts";
import { Counter } from "./modules/counter.protocol.ts";

// Actors die in these tests all the time; that is no news.
process.env["MCPLUSPLUS_LOG"] ??= "error";

export const counterModule = new URL("./modules/counter.actor.ts", import.meta.url).href;

/** Where the same law is tried: in a simulation, and on threads. */
export const PLACEMENTS = ["inline", "thread"] as const;

/** One counter under a supervisor of its own, gone when the test has ended. */
export interface Stage {
  readonly counter: RefOf<typeof Counter>;
  readonly supervisor: SupervisorHandle;
  /** Waits for a promise; in the simulation it also lets the world go on, which otherwise stands still. */
  drive<T>(promise: Promise<T>): Promise<T>;
  /** From here on the counter reads nothing, until the function that is returned is called. */
  hold(): Promise<() => void>;
  /** The answer of a call, whichever life of the counter gives it. */
  eventually<T>(ask: () => Promise<T>): Promise<T>;
}

export async function openStage(
  placement: (typeof PLACEMENTS)[number],
  { limit = 1_000_000, mailbox }: { limit?: number; mailbox?: Mailbox } = {},
): Promise<Stage> {
  const { supervisor, drive } =
    placement === "inline"
      ? await openSimulated({ modules: [counterModule] })
      : { supervisor: openSupervisor({ supervisor: "host" }), drive: <T>(promise: Promise<T>) => promise };
  onTestFinished(() => drive(supervisor.close()));
  const words = new Int32Array(new SharedArrayBuffer(8));
  const init = { limit, gate: new Uint8Array(words.buffer) };
  const counter = await drive(
    supervisor.spawn(Counter, { module: counterModule, init, ...(mailbox && { mailbox }) }),
  );

  const hold = async (): Promise<() => void> => {
    // In the simulation nobody reads as long as nobody drives.
    if (placement === "inline") return () => undefined;
    counter.cast.hold();
    await Atomics.waitAsync(words, 1, 0).value;
    return () => {
      Atomics.store(words, 0, 1);
      Atomics.notify(words, 0);
    };
  };
  const retried = async <T>(ask: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!isFault(error, "ACTOR_RESTARTING")) throw error;
        await counter.ready();
      }
    }
  };
  return { counter, supervisor, drive, hold, eventually: (ask) => drive(retried(ask)) };
}
