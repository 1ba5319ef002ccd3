import { Network, type HostInit } from "../../../src/peers/network.protocol.ts";
import { networkBehaviour } from "../../../src/peers/network/network.behaviour.ts";
import type { HandlersOf, MessageContext } from "../../../src/actor/index.ts";
import { systemClock, systemRandom, systemScheduler, type Clock } from "../../../src/scope/index.ts";
import { createLog, createMetricsBlock } from "../../../src/telemetry/index.ts";
import { fakeMessage } from "../../kit/actor-context.ts";

type Members = typeof Network extends { readonly members: infer M } ? M : never;
type Handlers = HandlersOf<Members>;

/** As a ref would call them: every answer is waited for. */
type Calls = {
  readonly [Name in keyof Handlers]: (
    params: Parameters<Handlers[Name]>[0],
    message: MessageContext,
  ) => Promise<Awaited<ReturnType<Handlers[Name]>>>;
};

/** What a node has told, by the name of the event. */
export interface Told {
  readonly event: string;
  readonly params: unknown;
}

/** A network actor of this process, on 127.0.0.1, with real time. */
export interface TestNode extends AsyncDisposable {
  readonly call: Calls;
  readonly peerId: string;
  readonly address: string;
  readonly told: readonly Told[];
  /** Of one event, in order. */
  of<Params>(event: string): Params[];
  health(): Record<string, unknown>;
  readonly logged: readonly string[];
}

/** On loopback, with nothing that is not asked for. */
export const HOST: HostInit = {
  keyFile: null,
  listen: ["/ip4/127.0.0.1/tcp/0"],
  announce: [],
  reach: ["machine"],
  connectionsMax: 64,
  inboundPerSecond: 1_000,
  mdns: false,
  dht: false,
  gossip: false,
  relayServer: false,
  relays: [],
};

/** What of its surroundings a test has in its hand. */
export interface NodeSurroundings {
  readonly clock?: Clock;
  /** Memory of an earlier life. */
  readonly shared?: SharedArrayBuffer;
}

export async function openNode(
  overrides: Partial<HostInit> = {},
  { clock = systemClock, shared }: NodeSurroundings = {},
): Promise<TestNode> {
  const told: Told[] = [];
  const logged: string[] = [];
  const cleanups: (() => void | Promise<void>)[] = [];
  const stopping = new AbortController();
  let report: () => Record<string, unknown> = () => ({});
  const emitters = Network.order
    .filter((name) => (Network.members as Record<string, { kind: string }>)[name]?.kind === "event")
    .map((event) => [event, (params: unknown) => void told.push({ event, params })]);
  const handlers = await networkBehaviour.setup(
    {
      name: "network",
      epoch: 1,
      signal: stopping.signal,
      clock,
      random: systemRandom,
      scheduler: systemScheduler,
      log: createLog({
        component: "network",
        clock: systemClock,
        level: "warn",
        sink: (line) => void logged.push(line),
      }),
      metrics: createMetricsBlock(),
      shared: shared ?? null,
      emit: Object.fromEntries(emitters) as never,
      ref: () => {
        throw new Error("the network calls nobody");
      },
      defer: (cleanup) => void cleanups.push(cleanup),
      atExit: () => undefined,
      reportHealth: (latest) => void (report = latest),
    },
    { host: { ...HOST, ...overrides } },
  );
  type Handler = (params: unknown, context: MessageContext) => unknown;
  const call = Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [
      name,
      async (params: unknown, context: MessageContext) => (handler as Handler)(params, context),
    ]),
  ) as unknown as Calls;
  const { peerId, addresses } = await call.figures(undefined, fakeMessage());
  return {
    call,
    peerId,
    address: addresses[0] ?? "",
    told,
    of: <Params>(event: string) =>
      told.filter((each) => each.event === event).map(({ params }) => params as Params),
    health: () => report(),
    logged,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    },
  };
}

/** A message that waits as long as the test lets it. */
export const message = (overrides: Parameters<typeof fakeMessage>[0] = {}) =>
  fakeMessage({ deadlineMs: systemClock.now() + 20_000, ...overrides });

export async function dialled(from: TestNode, to: TestNode) {
  return from.call.dial({ peerId: to.peerId, addresses: [to.address] }, message());
}

/** Looks until it is so. @throws when it is not within ten seconds */
export async function until<T>(
  look: () => T | undefined | false | null,
  what = "what was waited for",
): Promise<T> {
  const endMs = performance.now() + 10_000;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false && found !== null) return found;
    if (performance.now() > endMs) throw new Error(`${what} has not come within 10 s`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
