import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { CallerEnd, Connection, EventStream } from "../../../src/actor/index.ts";
import type { CallOptions } from "../../../src/actor/index.ts";
import { fault } from "../../../src/errors/index.ts";
import { systemClock, type Clock } from "../../../src/scope/index.ts";
import { ACTORS, type ActorName } from "../../../src/system/index.ts";
import { FRAME_BYTES_MAX, FrameReader, frameOf } from "../../../src/system/attach/frame.ts";
import { helloFields, helloOf, type Hello } from "../../../src/system/attach/greeting.ts";
import { knock, type GuestLink } from "../../../src/system/attach/guest-link.ts";
import { openOwnerDoor } from "../../../src/system/attach/owner-door.ts";
import { socketOf } from "../../../src/system/attach/socket-place.ts";
import { attachMetrics, createMetricsBlock, readMetrics } from "../../../src/telemetry/index.ts";
import { temporaryDirectory } from "./directory.ts";

export interface Asked {
  readonly actor: ActorName;
  readonly member: string;
  readonly params: unknown;
  readonly options: CallOptions;
}

type Script = (asked: Asked) => unknown;

/** A callee that answers as it is told, and no actor at all. */
export class ScriptedEnd extends CallerEnd {
  readonly shared = null;
  readonly casts: unknown[] = [];
  readonly streams: EventStream<unknown>[] = [];
  readonly #script: Script;
  readonly #actor: ActorName;

  constructor(actor: ActorName, script: Script) {
    super(actor, { clock: systemClock, metrics: attachMetrics(createMetricsBlock().buffer) });
    this.#actor = actor;
    this.#script = script;
  }

  override call(
    _index: number,
    member: string,
    params: unknown,
    options: CallOptions = {},
  ): Promise<unknown> {
    return Promise.try(this.#script, { actor: this.#actor, member, params, options });
  }

  override cast(_index: number, params: unknown): boolean {
    this.casts.push(params);
    return true;
  }

  override subscribe(
    _index: number,
    event: string,
    { signal, buffer = 0 }: { signal?: AbortSignal; buffer?: number },
  ): EventStream<unknown> {
    const stream = new EventStream({ actor: this.#actor, event }, buffer, () => undefined, signal);
    this.streams.push(stream);
    return stream;
  }

  up = async (): Promise<void> => undefined;
  writable = async (): Promise<void> => undefined;
  protected offer(): void {}
  protected deliver(): void {}
  protected release(): void {}
}

/** The door of an owner whose actors do what a script says. It closes with the test. */
export async function openScripted(
  script: Script,
  { clock = systemClock, data = temporaryDirectory() }: { clock?: Clock; data?: string } = {},
) {
  const block = createMetricsBlock().buffer;
  const ends = ACTORS.map((name) => new ScriptedEnd(name, script));
  const connections = ends.map((end) => {
    const connection = new Connection(end.callee);
    connection.up(end);
    return connection;
  });
  const self = helloOf(data, []);
  const health = async () => [];
  const metrics = attachMetrics(block);
  const door = await openOwnerDoor({ data, self, graceMs: 7, connections, health, clock, metrics });
  onTestFinished(() => door.close());
  const path = socketOf(data) ?? "";
  return {
    data,
    path,
    self,
    door,
    end: (name: ActorName) => ends[ACTORS.indexOf(name)] as ScriptedEnd,
    counters: () => readMetrics([block]).counters,
    /** A guest of it, as `knock` makes one. */
    async guest(hello: Hello = self, onLost: () => void = () => undefined): Promise<GuestLink> {
      const place = { clock: systemClock, metrics: attachMetrics(createMetricsBlock().buffer) };
      const link = await knock(path, hello, { place, onLost });
      if (link === undefined) throw new Error("nobody answers");
      onTestFinished(() => link.close(fault("ACTOR_STOPPED", { actor: "the system" })));
      return link;
    },
    /** A connection of which the test says every byte. */
    stranger: () => openStranger(path),
    /** One that has been let in. */
    async intruder() {
      const stranger = await openStranger(path);
      stranger.socket.write(frameOf(helloFields(self)));
      await stranger.next();
      return stranger;
    },
  };
}

async function openStranger(path: string) {
  const socket: Socket = connect(path);
  socket.on("error", () => undefined);
  await once(socket, "connect");
  onTestFinished(() => void socket.destroy());
  const closed = once(socket, "close");
  const reader = new FrameReader(FRAME_BYTES_MAX);
  const frames: (readonly unknown[])[] = [];
  let heard = Promise.withResolvers<void>();
  socket.on("data", (chunk) => {
    for (const frame of reader.push(chunk)) frames.push(frame);
    heard.resolve();
  });
  return {
    socket,
    closed,
    /** The next thing that it is told. */
    async next(): Promise<readonly unknown[]> {
      for (;;) {
        const frame = frames.shift();
        if (frame !== undefined) return frame;
        heard = Promise.withResolvers();
        await heard.promise;
      }
    },
  };
}
