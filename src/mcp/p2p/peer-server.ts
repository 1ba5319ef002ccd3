import type { Tool as ListedTool } from "@modelcontextprotocol/server";
import type { RefOf } from "../../actor/index.ts";
import { LIMITS } from "../../errors/index.ts";
import type { Remote } from "../../remote/remote.protocol.ts";
import { checkTexts, invalidArgument } from "../../schema/index.ts";
import { linkSignals, systemClock, type Clock } from "../../scope/index.ts";
import { threadLog } from "../../supervisor/index.ts";
import type { Log } from "../../telemetry/index.ts";
import { createMcpApp } from "../mcp-app.ts";
import type { Offer } from "../offer.ts";
import type { ServedTool } from "../served-tool.ts";
import type { SystemDoor } from "../system-door.ts";
import { Advertisement } from "./advertisement.ts";
import type { ByteStream } from "./byte-stream.ts";
import { noCounts, type PeerFigures } from "./peer-figures.ts";
import { peerLimits, type PeerLimits } from "./peer-limits.ts";
import type { Authorize, PeerServices } from "./peer-services.ts";
import { PeerSession } from "./peer-session.ts";
import { acceptStreams, type StreamNetwork } from "./peer-streams.ts";
import { TASK_QUEUE_TOOL, TaskQueueRpc } from "./task-queue-rpc.ts";
import { TokenBucket } from "./token-bucket.ts";
import { ToolShelf } from "./tool-shelf.ts";

/** What is served to peers, whoever carries their streams. */
export interface PeerHostOptions extends Offer {
  /** This node's own. */
  readonly peerId: string;
  readonly authorize: Authorize;
  readonly door: SystemDoor;
  readonly version: string;
  /** Default: those of `LIMITS.mcp`. */
  readonly limits?: Partial<PeerLimits>;
  /** Lets peers submit and claim tasks of these types, by `task_queue.rpc`; default: off. */
  readonly taskQueue?: { readonly taskTypes: readonly string[] };
  readonly clock?: Clock;
  readonly log?: Log;
  /** Whose secrets are not told to peers; default: that of the process. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export interface PeerServerOptions extends Omit<PeerHostOptions, "peerId" | "authorize"> {
  readonly network: StreamNetwork;
  readonly remote: Pick<RefOf<typeof Remote>, "call">;
  /** Aborting it ends the server. */
  readonly signal: AbortSignal;
  /** Is a stream that has just been opened this process's? Several may share a network; default: each is. */
  readonly serves?: () => boolean;
}

export interface PeerServer {
  /** Resolves when the signal has aborted and the last stream has ended; rejects when the network is off or gone. */
  readonly closed: Promise<void>;
  figures(): PeerFigures;
}

interface Peer {
  readonly bucket: TokenBucket;
  streams: number;
}

/** Tools that decide who may do what here: by them a peer could make of its grant any other. */
const KEPT_BACK: ReadonlySet<string> = new Set(["p2p_remote", "admin"]);
/** Peers that are remembered after their last stream, until their bucket is full again. */
const PEERS_KEPT = 1_000;
/** A call has so much less time than its request, so that what ends it says why, and what to ask next. */
const ANSWER_MS = 10_000;

/**
 * Serves tools to peers, each stream on its own: all bounds that streams share are kept here.
 */
export class PeerHost {
  readonly #services: PeerServices;
  readonly #flush: () => void;
  readonly #peers = new Map<string, Peer>();
  readonly #stopping = new AbortController();
  /** With how each ends. */
  readonly #sessions = new Map<PeerSession, Promise<void>>();

  /** @throws INVALID_ARGUMENT */
  constructor(options: PeerHostOptions) {
    const { peerId, authorize, door, version, clock = systemClock, log = threadLog("mcp-p2p") } = options;
    const limits = peerLimits(options.limits);
    const tools = options.tools.filter(({ metadata }) => !KEPT_BACK.has(metadata.category));
    const app = createMcpApp({ ...options, tools, clock, log, callMs: LIMITS.mcp.peerRequestMs - ANSWER_MS });
    const { hygiene, reports } = app.services;
    const { frameBytes } = limits;
    const taskTypes = options.taskQueue && checkedTypes(options.taskQueue.taskTypes);
    const taskQueue =
      taskTypes && new TaskQueueRpc({ door, clock, log, hygiene, peerId, taskTypes, frameBytes });
    this.#flush = () => reports.flush();
    this.#services = {
      identity: { ...app.identity, version },
      shelf: new ToolShelf(app, taskQueue ? [LISTED_QUEUE] : []),
      taskQueue,
      authorize,
      advertisement: new Advertisement(peerId, limits),
      limits,
      counts: noCounts(),
      clock,
      log,
    };
  }

  figures(): PeerFigures {
    return { ...this.#services.counts };
  }

  /** Resolves when the stream has been served to its end, or refused. Never rejects. */
  async serve(stream: ByteStream): Promise<void> {
    const { counts } = this.#services;
    const peer = this.#peerOf(stream.peerId);
    const { peerSessions, peerSessionsEach } = LIMITS.mcp;
    const isTooMuch = this.#sessions.size >= peerSessions || peer.streams >= peerSessionsEach;
    // Opening costs as much as a frame: else a flood of streams would be free.
    if (isTooMuch || this.#stopping.signal.aborted || !peer.bucket.take()) {
      counts.sessionsRefused += 1;
      await stream.close(false);
      return;
    }
    peer.streams += 1;
    const session = new PeerSession(stream, this.#services, peer.bucket);
    const ended = session.run(this.#stopping.signal);
    this.#sessions.set(session, ended);
    await ended;
    this.#sessions.delete(session);
    peer.streams -= 1;
  }

  /** The peer is gone: its calls see their signals. */
  leave(peerId: string): void {
    for (const session of this.#sessions.keys()) if (session.peerId === peerId) session.lose();
  }

  /** What is under way is answered, for a few seconds. Never rejects. */
  async close(): Promise<void> {
    this.#stopping.abort(new Error("the server is stopping"));
    await Promise.all(this.#sessions.values());
    await this.#services.taskQueue?.close();
    this.#flush();
  }

  #peerOf(peerId: string): Peer {
    const known = this.#peers.get(peerId);
    if (known) return known;
    if (this.#peers.size >= PEERS_KEPT) this.#forgetIdle();
    const { clock, limits } = this.#services;
    const peer = { bucket: new TokenBucket(clock, limits.rateCapacity, limits.ratePerSecond), streams: 0 };
    this.#peers.set(peerId, peer);
    return peer;
  }

  #forgetIdle(): void {
    for (const [peerId, { bucket, streams }] of this.#peers) {
      if (streams === 0 && bucket.isFull) this.#peers.delete(peerId);
    }
  }
}

/**
 * Serves tools to the peers of this network until the signal aborts.
 *
 * @throws INVALID_ARGUMENT; UNAVAILABLE when networking is off
 */
export async function servePeers(options: PeerServerOptions): Promise<PeerServer> {
  const { network, remote, signal } = options;
  const { peerId } = await network.call.figures(undefined, { signal });
  const host = new PeerHost({
    ...options,
    peerId,
    authorize: (asker, tool) => remote.call.authorize({ peerId: asker, tool }, { signal }),
  });
  return { closed: serveAll(host, options), figures: () => host.figures() };
}

async function serveAll(
  host: PeerHost,
  { network, signal, clock = systemClock, serves = () => true }: PeerServerOptions,
): Promise<void> {
  let closing: Promise<void> | undefined;
  const unlink = linkSignals([signal], () => void (closing = host.close()));
  const listener = {
    opened: (stream: ByteStream) => void (serves() && host.serve(stream)),
    departed: (peerId: string) => host.leave(peerId),
  };
  try {
    await acceptStreams(network, listener, { clock, signal });
  } finally {
    unlink();
    await (closing ?? host.close());
  }
}

function checkedTypes(taskTypes: readonly string[]): readonly string[] {
  checkTexts("taskQueue.taskTypes", taskTypes);
  const most = LIMITS.mcp.peerTaskTypes;
  if (taskTypes.length >= 1 && taskTypes.length <= most) return [...taskTypes];
  throw invalidArgument("taskQueue.taskTypes", `${taskTypes.length} types`, `1 to ${most}`);
}

const LISTED_QUEUE: ServedTool = {
  listing: {
    name: TASK_QUEUE_TOOL,
    title: "Task queue",
    description:
      "Submits tasks to this node and takes tasks from it: one request with its op, answered by one reply.",
    inputSchema: {
      type: "object",
      properties: { op: { type: "string", description: "status tells which there are" } },
      required: ["op"],
    },
    annotations: {
      title: "Task queue",
      readOnlyHint: false,
      destructiveHint: false,
      idempotentHint: false,
      openWorldHint: false,
    },
  } satisfies ListedTool,
  // Its content is no block of the protocol, whose package is therefore never asked for it.
  call: () => Promise.reject(new TypeError("defect: the queue is asked past the package")),
};
