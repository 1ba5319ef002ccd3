import type { RequestId } from "@modelcontextprotocol/server";
import { LIMITS, sentenceOf } from "../../errors/index.ts";
import { linkSignals, unlessAborted, type Timer } from "../../scope/index.ts";
import { requestProblem } from "../incoming-message.ts";
import type { ByteStream } from "./byte-stream.ts";
import { FrameReader, bodyBytesOf, frameOf, type Frame, type Members } from "./frame.ts";
import { FrameWriter } from "./frame-writer.ts";
import {
  calledTool,
  claimProblem,
  claimsVersion,
  introductionOf,
  isMembers,
  isNotification,
  methodOf,
  paramsOf,
} from "./peer-message.ts";
import type { PeerServices } from "./peer-services.ts";
import { ANSWER_TOO_LARGE, REFUSALS, invalidParams, wrongFrame, type Refusal } from "./refusal.ts";
import { RequestDesk, type PeerRequest } from "./request-desk.ts";
import type { TokenBucket } from "./token-bucket.ts";

/** A longer id is none: those of a stream are remembered. */
const ID_CHARS = 256;

/** Why nothing more is read: what is under way is answered after the first two, and ended after the others. */
type End = "all_said" | "stopped" | "refused" | "idle" | "lost" | "stalled";

/** What a frame may do, as far as the grant goes. */
type Access = "none" | "session" | "granted";

/**
 * One stream of one peer, from its first byte to its end: reads frames, refuses what is wrong in the published order, and
 * hands on what is not.
 *
 * @see docs/guide/mcp-p2p.md
 */
export class PeerSession {
  readonly peerId: string;
  readonly #stream: ByteStream;
  readonly #services: PeerServices;
  readonly #bucket: TokenBucket;
  readonly #desk: RequestDesk;
  readonly #writer: FrameWriter;
  /** Nothing more is read. */
  readonly #over = new AbortController();
  /** Nothing more is written. */
  readonly #broken = new AbortController();
  #end: End = "all_said";
  #quiet = Promise.withResolvers<void>();
  #idle: Timer | undefined;
  #frames = 0;
  /** Of requests that were served; those of `initialize` may come again. */
  readonly #ids = new Set<RequestId>();
  #isInitialized = false;
  /** It has said its version in a request. */
  #isStateless = false;

  constructor(stream: ByteStream, services: PeerServices, bucket: TokenBucket) {
    this.peerId = stream.peerId;
    this.#stream = stream;
    this.#services = services;
    this.#bucket = bucket;
    this.#desk = new RequestDesk(services, stream.peerId, {
      tell: (message) => this.#tell(message),
      onQuiet: () => {
        this.#quiet.resolve();
        this.#rest();
      },
    });
    this.#writer = new FrameWriter(stream, {
      clock: services.clock,
      stallMs: LIMITS.mcp.peerRequestMs,
      onBroken: (why) => this.#break(why),
    });
  }

  /** Resolves when nothing of it is left. Never rejects. */
  async run(stopping: AbortSignal): Promise<void> {
    const { counts, log, clock } = this.#services;
    counts.sessionsStarted += 1;
    let grace: Timer | undefined;
    const unlink = linkSignals([stopping], () => {
      this.#stop("stopped");
      grace = clock.at(clock.now() + LIMITS.mcp.endGraceMs, () =>
        this.#desk.endAll("the server is stopping"),
      );
    });
    try {
      this.#rest();
      await this.#readAll();
      await this.#finish();
    } catch (error) {
      counts.internalErrors += 1;
      log.error("a stream of a peer met a defect", { error });
      this.#desk.endAll("the stream has ended");
    } finally {
      unlink();
      grace?.cancel();
      this.#idle?.cancel();
      await this.#stream.close(!this.#broken.signal.aborted);
      await this.#desk.close();
      counts.sessionsClosed += 1;
    }
  }

  /** The peer's connection has ended: whatever it waits for, it does not hear of. */
  lose(): void {
    this.#break("lost");
  }

  // --- reading --------------------------------------------------------------------------------------------------------

  async #readAll(): Promise<void> {
    const reader = new FrameReader(this.#services.limits.frameBytes);
    while (!this.#over.signal.aborted) {
      const bytes = await this.#read();
      if (bytes === null) break;
      for (const frame of reader.feed(bytes)) {
        const goesOn = await this.#take(frame);
        if (!goesOn) this.#stop("refused");
        if (this.#over.signal.aborted) return;
      }
      await this.#roomToAnswer();
    }
    if (!reader.isBetweenFrames) this.#services.counts.frameErrors += 1;
  }

  async #read(): Promise<Uint8Array | null> {
    try {
      return await unlessAborted(this.#stream.read(), this.#over.signal);
    } catch {
      if (!this.#over.signal.aborted) this.#break("lost");
      return null;
    }
  }

  /** Who does not read is not read from. */
  async #roomToAnswer(): Promise<void> {
    if (this.#writer.waitingBytes <= this.#services.limits.frameBytes) return;
    await unlessAborted(this.#writer.flushed(), this.#over.signal).catch(() => undefined);
  }

  /** @returns whether the stream goes on */
  async #take(frame: Frame): Promise<boolean> {
    this.#services.counts.frames += 1;
    this.#idle?.cancel();
    if (frame.kind === "wrong") {
      this.#refuse(wrongFrame(frame.why), {});
      return false;
    }
    const refusal = await this.#receive(frame.message);
    if (refusal) this.#refuse(refusal, frame.message);
    this.#rest();
    return refusal === undefined || !refusal.closes;
  }

  #refuse({ code, message, data, unnamed, counts }: Refusal, request: Members): void {
    if (counts) this.#services.counts[counts] += 1;
    // Whatever was wrong about it, a notification is not answered. A frame that is none has no id to tell it by.
    if (isNotification(request) && counts !== "frameErrors") return;
    const id = unnamed ? null : request["id"];
    this.#tell({ jsonrpc: "2.0", id, error: { code, message, ...(data && { data }) } });
  }

  // --- checks, in the published order ---------------------------------------------------------------------------------

  async #receive(message: Members): Promise<Refusal | undefined> {
    this.#frames += 1;
    if (this.#frames > this.#services.limits.frames || !this.#bucket.take()) return REFUSALS.rateLimited;
    const access = await this.#access(calledTool(message));
    if (access === "none") return REFUSALS.unauthorized;
    if (isNotification(message)) {
      this.#hear(message);
      return undefined;
    }
    const { id, jsonrpc, method } = message;
    if (jsonrpc !== "2.0" || typeof method !== "string" || !isId(id)) return REFUSALS.invalidJsonrpc;
    if (this.#ids.has(id) || this.#desk.has(id)) return REFUSALS.replayed;
    const request = this.#requestOf(message, id);
    if ("code" in request) return request;
    const refusal = this.#problemOf(request, access);
    if (refusal) return refusal;
    this.#serve(request);
    return undefined;
  }

  /** A grant is asked for anew with every frame: it may have been taken back. */
  async #access(tool: string | null): Promise<Access> {
    const { authorize, counts, log } = this.#services;
    const { peerId } = this;
    try {
      if (tool !== null) {
        const call = await authorize(peerId, tool);
        if (call.ok) {
          this.#desk.show(call.tools);
          return this.#services.shelf.covers(call.tools, tool) ? "granted" : "session";
        }
      }
      const session = await authorize(peerId, null);
      if (!session.ok) return "none";
      this.#desk.show(session.tools);
      return tool === null ? "granted" : "session";
    } catch (error) {
      counts.internalErrors += 1;
      log.warn("a grant could not be asked for", { peerId, why: sentenceOf(error) });
      return "none";
    }
  }

  /** Which binding it is of, and whether that has been agreed on. */
  #requestOf(message: Members, id: RequestId): PeerRequest | Refusal {
    const isClaim = claimsVersion(message);
    const method = methodOf(message);
    if (isClaim) {
      const problem = claimProblem(message);
      if (problem) return problem;
      this.#isStateless = true;
    } else if (method === "initialize") {
      const introduction = introductionOf(message);
      if ("code" in introduction) return introduction;
      return { id, method, params: introduction.params, binding: "legacy", introduction };
    } else if (!this.#isInitialized) {
      return this.#isStateless
        ? invalidParams("_meta lacks io.modelcontextprotocol/protocolVersion")
        : REFUSALS.initRequired;
    }
    if (method === undefined) return REFUSALS.methodNotFound;
    const params = paramsOf(message);
    if (params === undefined) return invalidParams("params is not an object");
    return { id, method, params, binding: isClaim ? "modern" : "legacy" };
  }

  #problemOf({ id, method, params }: PeerRequest, access: Access): Refusal | undefined {
    if (this.#desk.underWay >= LIMITS.mcp.peerInFlight) return REFUSALS.busy;
    const problem = requestProblem({ jsonrpc: "2.0", id, method, params });
    if (problem) return invalidParams(problem.why);
    if (method !== "tools/call") return undefined;
    const { name, arguments: args = {} } = params;
    if (typeof name !== "string") return invalidParams("name is not a text");
    if (!isMembers(args)) return invalidParams("arguments is not an object");
    if (access !== "granted") return REFUSALS.toolNotGranted;
    return this.#desk.offers(name) ? undefined : REFUSALS.unknownTool;
  }

  #serve(request: PeerRequest): void {
    const { counts } = this.#services;
    if (!this.#isInitialized && this.#ids.size === 0) counts.sessionsInitialized += 1;
    if (request.introduction) this.#isInitialized = true;
    else this.#ids.add(request.id);
    counts.requests += 1;
    this.#desk.serve(request);
  }

  /** What does not expect an answer; what is not known, or comes too early, is for nobody. */
  #hear(message: Members): void {
    if (message["jsonrpc"] !== "2.0") return;
    const { method } = message;
    if (method === "notifications/cancelled") this.#desk.cancel(paramsOf(message)?.["requestId"]);
    if (method === "notifications/initialized" && this.#isInitialized) this.#desk.initialized();
  }

  // --- writing, and the end -------------------------------------------------------------------------------------------

  #tell(message: Members): void {
    const { limits, log } = this.#services;
    const frame = frameOf(message);
    if (bodyBytesOf(frame) <= limits.frameBytes) {
      this.#writer.write(frame);
      return;
    }
    log.warn("an answer to a peer is longer than a frame", { peerId: this.peerId });
    if ("id" in message)
      this.#writer.write(frameOf({ jsonrpc: "2.0", id: message["id"], error: ANSWER_TOO_LARGE }));
  }

  /** Begins to count the silence, unless something is under way. */
  #rest(): void {
    this.#idle?.cancel();
    if (this.#desk.underWay > 0 || this.#over.signal.aborted) return;
    const { clock } = this.#services;
    this.#idle = clock.at(clock.now() + LIMITS.mcp.peerIdleMs, () => this.#stop("idle"));
  }

  #stop(end: End): void {
    if (this.#over.signal.aborted) return;
    this.#end = end;
    this.#over.abort(new Error(end));
  }

  #break(why: "lost" | "stalled"): void {
    if (why === "stalled") this.#services.counts.slowReaders += 1;
    this.#stop(why);
    this.#broken.abort(new Error(why));
    this.#desk.endAll("the peer is gone");
  }

  async #finish(): Promise<void> {
    const mayAnswer = this.#end === "all_said" || this.#end === "stopped";
    if (!mayAnswer) this.#desk.endAll("the stream has ended");
    while (this.#desk.underWay > 0) {
      this.#quiet = Promise.withResolvers();
      await this.#quiet.promise;
    }
    await unlessAborted(this.#writer.flushed(), this.#broken.signal).catch(() => undefined);
  }
}

const isId = (id: unknown): id is RequestId =>
  typeof id === "string" ? id.length <= ID_CHARS : Number.isSafeInteger(id);
