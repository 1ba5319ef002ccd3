import { EventStream } from "../../src/actor/event-stream.ts";
import type {
  ActorContext,
  Behaviour,
  CallOptions,
  EmittersOf,
  InitOf,
  Members,
  Protocol,
  Ref,
  SubscribeOptions,
} from "../../src/actor/index.ts";
import { packValue, unpackValue } from "../../src/codec/index.ts";
import { assert, fault, isFault, toWireError, fromWireError, type Fault } from "../../src/errors/index.ts";
import type { Clock, Random, Scheduler } from "../../src/scope/index.ts";
import { createLog, createMetricsBlock } from "../../src/telemetry/index.ts";

/** What several actors of one test share. */
export interface DirectServices {
  readonly clock: Clock;
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly refs?: Readonly<Record<string, Ref>>;
}

/** An actor on the caller's thread without a supervisor: its ref calls its handlers, in turns of their own. */
export interface DirectActor<M extends Members> {
  readonly ref: Ref<M>;
  readonly logged: readonly string[];
  health(): Record<string, unknown>;
  /** As an orderly stop does it. */
  stop(): Promise<void>;
  /** As the death of its thread does it; `begin` gives it its next life. */
  crash(): void;
  begin(): Promise<void>;
}

interface Life<M extends Members> {
  readonly handlers: Record<string, (params: unknown, message: unknown) => unknown>;
  readonly stop: () => Promise<void>;
  readonly end: () => void;
  readonly emit: EmittersOf<M>;
}

const CALL_MS = 5_000;

export async function directActor<M extends Members>(
  protocol: Protocol<M>,
  behaviour: Behaviour<M>,
  init: InitOf<M>,
  services: DirectServices,
): Promise<DirectActor<M>> {
  const { clock, random, scheduler, refs = {} } = services;
  const logged: string[] = [];
  const streams = new Map<string, Set<EventStream<unknown>>>();
  let life: Life<M> | null = null;
  let epoch = 0;
  let isOver = false;
  let report: () => Record<string, unknown> = () => ({});
  let inFlight = new Set<(why: Fault) => void>();
  const waiting: (() => void)[] = [];

  const gone = (): Fault => fault(isOver ? "ACTOR_STOPPED" : "ACTOR_RESTARTING", { actor: protocol.name });
  const dropAll = (): void => {
    for (const reject of inFlight) reject(gone());
    inFlight = new Set();
    for (const each of streams.values()) for (const stream of [...each]) stream.finish(gone());
  };

  const begin = async (): Promise<void> => {
    const stopping = new AbortController();
    const ended = new AbortController();
    const cleanups: (() => void | Promise<void>)[] = [];
    const releases: (() => void)[] = [];
    epoch += 1;
    const emit = Object.fromEntries(
      protocol.order
        .filter((name) => protocol.members[name]?.kind === "event")
        .map((name) => [
          name,
          (params: unknown) => {
            if (ended.signal.aborted) return;
            for (const stream of streams.get(name) ?? []) stream.push(copied(params));
          },
        ]),
    ) as unknown as EmittersOf<M>;
    const context: ActorContext<M> = {
      name: protocol.name,
      epoch,
      signal: stopping.signal,
      clock: {
        now: () => clock.now(),
        wallNow: () => clock.wallNow(),
        at: (atMs, run) => clock.at(atMs, () => void (ended.signal.aborted || run())),
      },
      random,
      scheduler: { schedule: (run) => scheduler.schedule(() => void (ended.signal.aborted || run())) },
      log: createLog({
        component: protocol.name,
        clock,
        level: "debug",
        sink: (line) => void logged.push(line),
      }),
      metrics: createMetricsBlock(),
      shared: null,
      emit,
      ref: <N extends Members>(wanted: Protocol<N>, name: string = wanted.name) => {
        const found = refs[name];
        assert(found !== undefined, `the test hands in a ref named ${name}`);
        return found as Ref<N>;
      },
      defer: (cleanup) => void cleanups.push(cleanup),
      atExit: (release) => void releases.push(release),
      reportHealth: (latest) => (report = latest),
    };
    const end = (): void => {
      ended.abort();
      stopping.abort(fault("CANCELLED", { what: protocol.name }));
      for (const release of releases.splice(0).toReversed()) release();
    };
    const handlers = (await behaviour.setup(context, init)) as unknown as Life<M>["handlers"];
    life = {
      handlers,
      emit,
      end,
      async stop() {
        stopping.abort(fault("CANCELLED", { what: protocol.name }));
        for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
        end();
      },
    };
    for (const resume of waiting.splice(0)) resume();
  };

  const call = (name: string, params: unknown, options: CallOptions = {}): Promise<unknown> => {
    if (life === null) return Promise.reject(gone());
    const { signal, timeoutMs = CALL_MS, traceparent } = options;
    const cancelled = (): Fault =>
      fault("CANCELLED", { what: `${protocol.name}.${name}` }, { cause: signal?.reason });
    if (signal?.aborted) return Promise.reject(cancelled());
    const caller = new AbortController();
    const { handlers } = life;
    return new Promise((resolve, reject) => {
      const settle = (done: () => void): void => {
        timer?.cancel();
        signal?.removeEventListener("abort", onAbort);
        inFlight.delete(onGone);
        done();
      };
      const onGone = (why: Fault): void => settle(() => reject(why));
      const onAbort = (): void => {
        caller.abort(cancelled());
        settle(() => reject(cancelled()));
      };
      const timer =
        timeoutMs === Infinity
          ? undefined
          : clock.at(clock.now() + timeoutMs, () => {
              const late = fault("DEADLINE_EXCEEDED", { what: `${protocol.name}.${name}`, timeoutMs });
              caller.abort(late);
              settle(() => reject(late));
            });
      signal?.addEventListener("abort", onAbort, { once: true });
      inFlight.add(onGone);
      const message = { signal: caller.signal, deadlineMs: Infinity, traceparent, caller: "test" };
      const given = copied(params);
      const run = async (): Promise<unknown> => {
        // Never within the call.
        await Promise.resolve();
        return handlers[name]?.(given, message);
      };
      run().then(
        (value) => settle(() => resolve(copied(value))),
        (error: unknown) =>
          settle(() => reject(isFault(error) ? fromWireError(toWireError(error)) : (error as Error))),
      );
    });
  };

  const subscribe = (
    name: string,
    { signal, buffer = 1_024 }: SubscribeOptions = {},
  ): EventStream<unknown> => {
    const known = streams.get(name) ?? new Set();
    streams.set(name, known);
    const leave = (): void => void known.delete(stream);
    const stream: EventStream<unknown> = new EventStream(
      { actor: protocol.name, event: name },
      buffer,
      leave,
      signal,
    );
    if (life === null) stream.finish(gone());
    else if (!signal?.aborted) known.add(stream);
    return stream;
  };

  const names = (kind: string): string[] =>
    protocol.order.filter((name) => protocol.members[name]?.kind === kind);
  const ref = {
    name: protocol.name,
    call: Object.fromEntries(
      names("call").map((name) => [
        name,
        (params: unknown, options: CallOptions) => call(name, params, options),
      ]),
    ),
    cast: Object.fromEntries(
      names("cast").map((name) => [
        name,
        (params: unknown) => {
          if (life === null) return false;
          void call(name, params, { timeoutMs: Infinity });
          return true;
        },
      ]),
    ),
    on: Object.fromEntries(
      names("event").map((name) => [name, (options: SubscribeOptions) => subscribe(name, options)]),
    ),
    writable: () => Promise.resolve(),
    async ready() {
      for (;;) {
        if (isOver) throw gone();
        if (life !== null) return;
        await new Promise<void>((resolve) => void waiting.push(resolve));
      }
    },
    shared: () => null,
  } as unknown as Ref<M>;

  await begin();
  return {
    ref,
    logged,
    health: () => report(),
    begin,
    crash() {
      const dying = life;
      life = null;
      dying?.end();
      dropAll();
    },
    async stop() {
      const dying = life;
      await dying?.stop();
      life = null;
      isOver = true;
      dropAll();
      for (const resume of waiting.splice(0)) resume();
    },
  };
}

/** As the codec hands it on: nothing of the receiver's is the sender's. */
const copied = (value: unknown): unknown => (value === undefined ? undefined : unpackValue(packValue(value)));
