import { isFault, type Fault } from "../errors/index.ts";
import type { Patience } from "../scope/index.ts";
import { mayPass, untilAgain } from "./again.ts";
import type { Ref, SubscribeOptions } from "./protocol.ts";

/** One life of an actor that is followed. */
export interface FollowedLife {
  /** Aborts when it is over. */
  readonly signal: AbortSignal;
  /** Tells of each event from now on, until this life is over. */
  hear<T>(subscribe: (options: SubscribeOptions) => AsyncIterable<T>, tell: (event: T) => void): void;
}

interface FollowOptions extends Patience {
  /** Events of one kind that may wait while this thread is busy; default 16,384. */
  readonly buffer?: number;
  /** A life that was begun is over, by an error or with the signal, and no event of it will be told any more. */
  readonly ended?: (error: unknown) => void;
}

const BUFFER = 16_384;

/**
 * Follows an actor through its restarts: begins anew in each of its lives, and whenever events were lost, until the
 * signal aborts or there is nothing to follow any more. Failures that may pass are waited for, longer each time.
 *
 * @param begin subscribes first, then looks up what is the case: so nothing falls between what is looked up and what is
 *   told
 * @returns what has ended it for good, such as ACTOR_STOPPED; undefined when the signal has
 * @throws what is no fault, thrown by `begin` or `tell`
 */
export async function followActor(
  actor: Pick<Ref, "ready" | "writable">,
  begin: (life: FollowedLife) => Promise<void> | void,
  options: FollowOptions,
): Promise<Fault | undefined> {
  const { signal } = options;
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      await actor.ready({ signal });
      await live(begin, options, () => (tries = 0));
    } catch (error) {
      if (!isFault(error)) throw error;
      if (signal.aborted) return undefined;
      if (!mayPass(error)) return error;
      await untilAgain(actor, error, tries, options);
    }
  }
  return undefined;
}

/** Rejects with whatever has ended this life; resolves with the signal. */
async function live(
  begin: (life: FollowedLife) => Promise<void> | void,
  { signal, buffer = BUFFER, ended }: FollowOptions,
  begun: () => void,
): Promise<void> {
  const over = new AbortController();
  const life = AbortSignal.any([signal, over.signal]);
  const streams: Promise<void>[] = [];
  const cut = Promise.withResolvers<void>();
  const hear: FollowedLife["hear"] = (subscribe, tell) => {
    const stream = tellEach(subscribe({ signal: life, buffer }), tell);
    streams.push(stream);
    void stream.then(cut.resolve, cut.reject);
  };
  const beginning = Promise.try(begin, { signal: life, hear }).then(begun);
  let why: unknown;
  try {
    await Promise.all([beginning, cut.promise]);
    why = signal.reason;
  } catch (error) {
    why = error;
    throw error;
  } finally {
    over.abort();
    await Promise.allSettled([beginning, ...streams]);
    ended?.(why);
  }
}

async function tellEach<T>(events: AsyncIterable<T>, tell: (event: T) => void): Promise<void> {
  for await (const event of events) tell(event);
}
