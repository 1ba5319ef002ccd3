import type { JSONRPCMessage, RequestId } from "@modelcontextprotocol/server";
import { serveStdio, type StdioServerHandle } from "@modelcontextprotocol/server/stdio";
import { LIMITS, fault } from "../../errors/index.ts";
import type { Timer } from "../../scope/index.ts";
import type { AppSource, McpApp } from "../mcp-app.ts";
import { createMcpServer } from "../mcp-server.ts";
import { BindingChannel } from "./binding-channel.ts";
import type { Members } from "./frame.ts";
import { isMembers, type Binding, type Introduction } from "./peer-message.ts";
import type { PeerServices } from "./peer-services.ts";
import { TIMEOUT, TOOL_FAILED } from "./refusal.ts";
import { TASK_QUEUE_TOOL } from "./task-queue-rpc.ts";

/** A request that has passed every check. */
export interface PeerRequest {
  readonly id: RequestId;
  readonly method: string;
  readonly params: Members;
  readonly binding: Binding;
  /** Of `initialize`. */
  readonly introduction?: Introduction;
}

interface UnderWay extends PeerRequest {
  readonly timer: Timer;
  /** Whoever carries it out is told that nobody waits any more. */
  cancel(reason: string): void;
}

interface Served {
  readonly channel: BindingChannel;
  readonly handle: StdioServerHandle;
}

/** Failures of a call, by code, that its arguments are to blame for. */
const ARGUMENT_CODES: ReadonlySet<unknown> = new Set(["INPUT_INVALID", "INVALID_ARGUMENT", "UNKNOWN_NAME"]);

/**
 * The requests of one stream that are under way: each is served by the binding that it is of, has its one answer, and an end.
 */
export class RequestDesk {
  readonly #services: PeerServices;
  readonly #peerId: string;
  readonly #tell: (message: Members) => void;
  /** Told when the last one under way has ended. */
  readonly #onQuiet: () => void;
  readonly #underWay = new Map<RequestId, UnderWay>();
  /** Made when first spoken. */
  readonly #served = new Map<Binding, Served>();
  readonly #source: AppSource;
  #granted = "";
  #view: McpApp;
  /** It takes a result for a success, whatever stands in it. */
  #isBare = false;

  constructor(
    services: PeerServices,
    peerId: string,
    { tell, onQuiet }: { tell: (message: Members) => void; onQuiet: () => void },
  ) {
    this.#services = services;
    this.#peerId = peerId;
    this.#tell = tell;
    this.#onQuiet = onQuiet;
    this.#view = services.shelf.shownTo([]);
    this.#source = { identity: services.identity, loaded: () => this.#view };
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  has(id: RequestId): boolean {
    return this.#underWay.has(id);
  }

  /** From now on the peer sees these tools. */
  show(granted: readonly string[]): void {
    const key = JSON.stringify(granted);
    if (key === this.#granted) return;
    this.#granted = key;
    this.#view = this.#services.shelf.shownTo(granted);
  }

  offers(tool: string): boolean {
    return this.#view.tools.has(tool);
  }

  serve(request: PeerRequest): void {
    const { clock } = this.#services;
    const { id, method, params, binding, introduction } = request;
    if (introduction) this.#isBare = introduction.isBare;
    const timer = clock.at(clock.now() + LIMITS.mcp.peerRequestMs, () => this.#timeOut(id));
    const isQueue = method === "tools/call" && params["name"] === TASK_QUEUE_TOOL;
    const cancel = isQueue ? this.#askQueue(request) : this.#hand(request);
    this.#underWay.set(id, { ...request, timer, cancel });
    if (!isQueue) this.#channel(binding).deliver({ jsonrpc: "2.0", id, method, params });
  }

  /** Who carries it out is told, and no answer follows. */
  cancel(id: unknown): void {
    const request = this.#take(id);
    request?.cancel("the peer has taken it back");
  }

  /** What the older binding says after its handshake. */
  initialized(): void {
    this.#served.get("legacy")?.channel.deliver({ jsonrpc: "2.0", method: "notifications/initialized" });
  }

  /** Whatever is under way is told to end, and nothing of it is answered. */
  endAll(reason: string): void {
    for (const id of [...this.#underWay.keys()]) this.#take(id)?.cancel(reason);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#served.values()].map(({ handle }) => handle.close()));
  }

  #timeOut(id: RequestId): void {
    const request = this.#take(id);
    if (request === undefined) return;
    this.#services.counts.timeouts += 1;
    request.cancel("it took too long");
    this.#tell({ jsonrpc: "2.0", id, error: TIMEOUT });
  }

  /** It is no longer under way. */
  #take(id: unknown): UnderWay | undefined {
    const request = this.#underWay.get(id as RequestId);
    if (request === undefined) return undefined;
    request.timer.cancel();
    this.#underWay.delete(request.id);
    if (this.#underWay.size === 0) this.#onQuiet();
    return request;
  }

  // --- by the protocol's package --------------------------------------------------------------------------------------

  /** @returns how it is cancelled */
  #hand({ id, binding, method }: PeerRequest): (reason: string) => void {
    return (reason) => {
      // The question what is spoken is answered at once, and a word about it would be taken for the first of a handshake.
      if (method === "server/discover" || method === "initialize") return;
      const params = { requestId: id, reason };
      this.#channel(binding).deliver({ jsonrpc: "2.0", method: "notifications/cancelled", params });
    };
  }

  #channel(binding: Binding): BindingChannel {
    const known = this.#served.get(binding);
    if (known) return known.channel;
    const channel = new BindingChannel((message) => this.#told(message));
    const handle = serveStdio((connection) => createMcpServer(this.#source, connection, "tools"), {
      transport: channel,
      legacy: binding === "modern" ? "reject" : "serve",
      onerror: (error) => this.#services.log.debug("a message of a peer was not served", { error }),
    });
    this.#served.set(binding, { channel, handle });
    return channel;
  }

  #told(message: JSONRPCMessage): void {
    if ("method" in message) {
      // Nothing is ever asked of a peer.
      if (!("id" in message)) this.#tell({ ...message });
      return;
    }
    const request = this.#take(message.id);
    if (request) this.#tell(this.#answer({ ...message }, request));
  }

  #answer(message: Members, { method, binding, introduction }: UnderWay): Members {
    const { result } = message;
    if (!isMembers(result)) return message;
    const { advertisement } = this.#services;
    if (introduction) return { ...message, result: advertisement.initialized(result, introduction.profiles) };
    if (method === "server/discover") return { ...message, result: advertisement.discovered(result) };
    if (this.#isBare && binding === "legacy" && result["isError"] === true)
      return { jsonrpc: "2.0", id: message["id"], error: bareFailure(result) };
    return message;
  }

  // --- by the queue ---------------------------------------------------------------------------------------------------

  /** @returns how it is cancelled */
  #askQueue({ id, params, binding }: PeerRequest): (reason: string) => void {
    const controller = new AbortController();
    const { signal } = controller;
    const { arguments: args, _meta: meta } = params;
    const replied = this.#services.taskQueue?.call(isMembers(args) ? args : {}, {
      peerId: this.#peerId,
      signal,
      traceparent: isMembers(meta) ? meta["traceparent"] : undefined,
    });
    void replied?.then((reply) => {
      const result = { content: reply, ...(binding === "modern" && { resultType: "complete" }) };
      if (this.#take(id)) this.#tell({ jsonrpc: "2.0", id, result });
    });
    return (reason) => controller.abort(fault("CANCELLED", { what: TASK_QUEUE_TOOL, reason }));
  }
}

/** For a peer that does not look for `isError`. */
function bareFailure({ structuredContent, content }: Members): Members {
  const failure = isMembers(structuredContent) ? structuredContent : { content };
  const message = ARGUMENT_CODES.has(failure["code"]) ? "invalid_params" : "tool_error";
  return { code: TOOL_FAILED, message, data: failure };
}
