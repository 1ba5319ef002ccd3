import { LIMITS, fault } from "../../errors/index.ts";
import { cutText } from "../../schema/index.ts";
import { failAfter, unlessAborted, type Clock } from "../../scope/index.ts";
import { PEER_PROTOCOL, type ByteStream } from "./byte-stream.ts";
import { FrameReader, bodyBytesOf, frameOf, type Members } from "./frame.ts";
import { BINDINGS, isMembers } from "./peer-message.ts";

export interface PeerCallOptions {
  /** Aborting it resets the stream, which cancels the call over there. */
  readonly signal?: AbortSignal;
  /** Of all of it, in milliseconds; default 30,000. */
  readonly timeoutMs?: number;
  /** A longer answer is refused; default 1 MiB. */
  readonly frameBytes?: number;
  /** How this node introduces itself. */
  readonly version?: string;
  readonly clock?: Clock;
}

/** What a tool of a peer answered. Everything in it was written by the peer. */
export interface PeerToolAnswer {
  /** The tool says that it has failed. */
  readonly isError: boolean;
  /** As structure where it has one, else as text, or whatever the peer has put in place of blocks. */
  readonly value: unknown;
  /** Blocks of the protocol; empty when the peer knows none. */
  readonly content: readonly Members[];
}

/** A tool as the peer describes it. */
export interface PeerTool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: Members;
}

/** Of the older binding; another is a peer that does not understand the question. */
const VERSIONS: ReadonlySet<unknown> = new Set(["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]);
const ASKED_VERSION = "2024-11-05";
const NAME_CHARS = 128;
const TEXT_CHARS = 300;
/** Errors after which the same request may succeed later: too much at a time, and too slow. */
const LATER: ReadonlySet<unknown> = new Set([-32_010, -32_000]);

/**
 * Calls a tool of the peer at the other end of the stream, and closes the stream. That the tool failed is an answer.
 *
 * @throws PEER_REFUSED, UNAVAILABLE, PEER_PROTOCOL, PEER_LOST, SIZE_EXCEEDED, DEADLINE_EXCEEDED, CANCELLED: unless it is the
 *   first or SIZE_EXCEEDED, the call may have been carried out
 */
export function callPeerTool(
  stream: ByteStream,
  { tool, args }: { readonly tool: string; readonly args: Members },
  options: PeerCallOptions = {},
): Promise<PeerToolAnswer> {
  return converse(stream, options, async (talk) =>
    answerOf(await talk.request("tools/call", { name: tool, arguments: args }), stream.peerId),
  );
}

/** The tools that this node may call there, and closes the stream. @throws as `callPeerTool` */
export function listPeerTools(stream: ByteStream, options: PeerCallOptions = {}): Promise<PeerTool[]> {
  return converse(stream, options, async (talk) => {
    const tools: PeerTool[] = [];
    let cursor: unknown;
    do {
      const page = await talk.request("tools/list", cursor === undefined ? {} : { cursor });
      tools.push(...toolsOf(page, stream.peerId));
      cursor = page["nextCursor"];
    } while (typeof cursor === "string" && tools.length < LIMITS.mcp.peerTools);
    return tools.slice(0, LIMITS.mcp.peerTools);
  });
}

async function converse<T>(
  stream: ByteStream,
  options: PeerCallOptions,
  ask: (talk: Talk) => Promise<T>,
): Promise<T> {
  const { signal, clock, timeoutMs = LIMITS.mcp.peerRequestMs } = options;
  const name = `the call of peer ${stream.peerId}`;
  let isDone = false;
  try {
    const answer = await failAfter(
      timeoutMs,
      async (scope) => {
        const talk = new Talk(stream, options, scope.signal);
        await talk.begin();
        return ask(talk);
      },
      { signal, clock, name },
    );
    isDone = true;
    return answer;
  } finally {
    await stream.close(isDone);
  }
}

/** One request after another. Whatever comes that was not asked for ends it. */
class Talk {
  readonly #stream: ByteStream;
  readonly #signal: AbortSignal;
  readonly #version: string;
  readonly #reader: FrameReader;
  readonly #came: Members[] = [];
  #id = 0;
  /** What the peer takes. */
  #frameBytes: number;
  #framesLeft = Infinity;

  constructor(stream: ByteStream, options: PeerCallOptions, signal: AbortSignal) {
    const { frameBytes = LIMITS.mcp.peerFrameBytes, version = "0" } = options;
    this.#stream = stream;
    this.#signal = signal;
    this.#version = version;
    this.#frameBytes = LIMITS.mcp.peerFrameBytes;
    this.#reader = new FrameReader(frameBytes);
  }

  async begin(): Promise<void> {
    const result = await this.request("initialize", {
      protocolVersion: ASKED_VERSION,
      capabilities: { "mcp++": { bindingId: BINDINGS.legacy, profiles: [] } },
      clientInfo: { name: "mcplusplus", version: this.#version },
    });
    const { protocolVersion, transport, server, limits } = result;
    if (protocolVersion !== undefined && !VERSIONS.has(protocolVersion))
      throw this.#strange("it answers with a version that was not asked for");
    if (transport !== undefined && transport !== PEER_PROTOCOL)
      throw this.#strange("it says that it speaks something else");
    const named = isMembers(server) ? server["peer_id"] : undefined;
    if (typeof named === "string" && named !== "" && named !== this.#stream.peerId)
      throw this.#strange("it gives itself the name of another peer");
    if (isMembers(limits)) {
      this.#frameBytes = lesser(this.#frameBytes, limits["max_frame_bytes"]);
      this.#framesLeft = lesser(Infinity, limits["max_frames"]) - this.#id;
    }
    // It needs none of its frames that a request may need.
    if (this.#framesLeft > 1) await this.#write({ jsonrpc: "2.0", method: "notifications/initialized" });
  }

  async request(method: string, params: Members): Promise<Members> {
    const id = ++this.#id;
    await this.#write({ jsonrpc: "2.0", id, method, params });
    for (;;) {
      const message = await this.#next();
      const isNotice = message["id"] === undefined && typeof message["method"] === "string";
      if (!isNotice) return this.#resultOf(message, id);
    }
  }

  async #write(message: Members): Promise<void> {
    const frame = frameOf(message);
    const what = `the request to peer ${this.#stream.peerId}`;
    if (bodyBytesOf(frame) > this.#frameBytes)
      throw fault("SIZE_EXCEEDED", { what, limit: this.#frameBytes, unit: "bytes" });
    if (this.#framesLeft < 1) throw this.#strange("it takes no more messages on one stream");
    this.#framesLeft -= 1;
    for (let from = 0; from < frame.byteLength; from += PIECE_BYTES)
      await this.#unlessLost(this.#stream.write(frame.subarray(from, from + PIECE_BYTES)));
  }

  async #next(): Promise<Members> {
    for (;;) {
      const message = this.#came.shift();
      if (message) return message;
      const bytes = await this.#unlessLost(this.#stream.read());
      if (bytes === null) throw this.#lost("it ended the stream before it had answered");
      for (const frame of this.#reader.feed(bytes)) {
        if (frame.kind === "wrong") throw this.#strange(`its answer is ${frame.why}`);
        this.#came.push(frame.message);
      }
    }
  }

  /** Only from a message that is the answer to this very request, and nothing else. */
  #resultOf(message: Members, id: number): Members {
    const { result, error } = message;
    const { peerId } = this.#stream;
    // What could not be read over there is answered without an id.
    const isOurs = message["id"] === id || (message["id"] === null && error !== undefined);
    if (message["jsonrpc"] !== "2.0" || "method" in message || !isOurs)
      throw this.#strange("it sent a message that nobody had asked for");
    if (error !== undefined && result !== undefined)
      throw this.#strange("its answer is both a result and an error");
    if (error !== undefined) throw refusalOf(error, peerId);
    if (!isMembers(result)) throw this.#strange("its answer is no result");
    if (result["ok"] === false) throw refusalOf({ message: result["error"] }, peerId);
    const kind = result["resultType"];
    if (kind !== undefined && kind !== "complete")
      throw this.#strange("its answer asks for something in turn");
    return result;
  }

  async #unlessLost<T>(work: Promise<T>): Promise<T> {
    try {
      return await unlessAborted(work, this.#signal);
    } catch (error) {
      if (this.#signal.aborted) throw error;
      throw this.#lost("the stream broke off", error);
    }
  }

  #lost(why: string, cause?: unknown): Error {
    return fault("PEER_LOST", { peerId: this.#stream.peerId, why }, { cause });
  }

  #strange(why: string): Error {
    return fault("PEER_PROTOCOL", { peerId: this.#stream.peerId, why });
  }
}

const PIECE_BYTES = 61_440;

/** A bound that a peer tells, where it is one. */
const lesser = (own: number, told: unknown): number =>
  typeof told === "number" && Number.isSafeInteger(told) && told > 0 ? Math.min(own, told) : own;

function refusalOf(error: unknown, peerId: string): Error {
  const { code, message } = isMembers(error) ? error : {};
  const why = typeof message === "string" ? cutText(message, TEXT_CHARS) : "it does not say why";
  if (LATER.has(code) && message !== "init_required")
    return fault("UNAVAILABLE", { what: `peer ${peerId}`, why });
  const reply = typeof code === "number" && Number.isSafeInteger(code) ? code : -32_603;
  return fault("PEER_REFUSED", { peerId, why, reply });
}

/** Blocks as the protocol has them, or what published peers put in their place. */
function answerOf(result: Members, peerId: string): PeerToolAnswer {
  const { content, structuredContent } = result;
  const isError = result["isError"] === true;
  if (Array.isArray(content) && content.every(isBlock))
    return { isError, content, value: structuredContent ?? textOf(content) };
  if (content === undefined && structuredContent === undefined)
    throw fault("PEER_PROTOCOL", { peerId, why: "its answer has no content" });
  const value: unknown = structuredContent ?? content;
  return { isError: isError || saysFailed(value), content: [], value };
}

const isBlock = (block: unknown): block is Members => isMembers(block) && typeof block["type"] === "string";

/** Of peers whose answers have no other place for it. */
const saysFailed = (value: unknown): boolean =>
  isMembers(value) && (value["ok"] === false || value["success"] === false);

const textOf = (blocks: readonly Members[]): string =>
  blocks
    .map(({ text }) => text)
    .filter((text) => typeof text === "string")
    .join("\n");

function toolsOf({ tools }: Members, peerId: string): PeerTool[] {
  if (!Array.isArray(tools)) throw fault("PEER_PROTOCOL", { peerId, why: "its list of tools is none" });
  return tools.map((tool: unknown) => {
    const { name, description, inputSchema } = isMembers(tool) ? tool : {};
    if (typeof name !== "string" || name === "" || name.length > NAME_CHARS)
      throw fault("PEER_PROTOCOL", { peerId, why: "a tool in its list has no name" });
    return {
      name,
      description: typeof description === "string" ? description : "",
      inputSchema: isMembers(inputSchema) ? inputSchema : {},
    };
  });
}
