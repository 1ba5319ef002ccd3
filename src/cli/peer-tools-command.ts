import { fault } from "../errors/index.ts";
import type { PeerTool, PeerToolAnswer } from "../mcp/index.ts";
import { openSystem, type System } from "../system/index.ts";
import { numberOf, type Command, type Flags, type Values } from "./arguments.ts";
import { openInterrupts } from "./interrupts.ts";
import { NODE_FLAGS, nodeOptions, peerIdOf } from "./node-options.ts";
import { settings } from "./setting-flags.ts";
import { tableLines } from "./table.ts";
import { version } from "./version.ts";

const FLAGS: Flags = {
  ...NODE_FLAGS,
  timeout: { type: "string", value: "<s>", help: "seconds for all of it (default 30)" },
  ...settings("data"),
  json: { type: "boolean", help: "the answer as one line of JSON, and nothing else" },
};

async function toolsOfPeer(system: System, peerId: string, values: Values, signal: AbortSignal) {
  const { callPeerTool, listPeerTools, openPeerStream } = await import("../mcp/index.ts");
  const timeoutS = numberOf(values, "timeout");
  const options = {
    signal,
    version: version(),
    ...(timeoutS !== undefined && { timeoutMs: timeoutS * 1_000 }),
  };
  const stream = await openPeerStream(system.actors.network, peerId, signal);
  return {
    list: () => listPeerTools(stream, options),
    call: (tool: string, args: Record<string, unknown>) => callPeerTool(stream, { tool, args }, options),
  };
}

/**
 * @param address of a peer that is connected already, or its multiaddr with `/p2p/<id>`
 * @param ask is given a stream to it that is open
 */
async function askPeer<T>(
  address: string,
  values: Values,
  ask: (peer: Awaited<ReturnType<typeof toolsOfPeer>>) => Promise<T>,
): Promise<T> {
  process.env["MCPLUSPLUS_LOG"] ??= "error";
  const interrupts = openInterrupts((line) => process.stderr.write(`${line}\n`));
  const isPlace = address.startsWith("/");
  const peerId = isPlace ? peerIdOf(address) : address;
  const system = await openSystem(nodeOptions(values));
  try {
    if (isPlace) {
      await system.peers.connect(peerId, address, { persist: false, signal: interrupts.signal });
    }
    return await ask(await toolsOfPeer(system, peerId, values, interrupts.signal));
  } finally {
    await system.close();
    interrupts.close();
  }
}

export const peerToolsCommand: Command = {
  name: "peers tools",
  operands: "<peer>",
  summary: "list the tools that this node may call on a peer",
  flags: FLAGS,
  examples: [
    "mcplusplus peers tools 12D3KooW…",
    "mcplusplus peers tools /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW… --reach internet",
  ],
  async run([peer = ""], values) {
    const tools: readonly PeerTool[] = await askPeer(peer, values, ({ list }) => list());
    const lines =
      values["json"] === true
        ? [JSON.stringify({ success: true, tools })]
        : tableLines(
            ["TOOL", "DESCRIPTION"],
            tools.map(({ name, description }) => [name, description]),
          );
    process.stdout.write(`${lines.join("\n")}\n`);
    return 0;
  },
};

export const peerCallCommand: Command = {
  name: "peers call",
  operands: "<peer> <tool> [<json>]",
  summary: "call a tool of a peer; prints what it answers",
  flags: FLAGS,
  examples: [`mcplusplus peers call 12D3KooW… task_list '{"limit": 5}'`],
  async run([peer = "", tool = "", text = "{}"], values) {
    const args = argumentsIn(text);
    const answer: PeerToolAnswer = await askPeer(peer, values, ({ call }) => call(tool, args));
    process.stdout.write(`${JSON.stringify(answer.value, null, values["json"] === true ? 0 : 2)}\n`);
    return answer.isError ? 1 : 0;
  },
};

function argumentsIn(text: string): Record<string, unknown> {
  const wrong = (got: string): Error =>
    fault("INVALID_ARGUMENT", {
      argument: "<json>",
      got,
      allowed: 'an object in JSON, such as {"limit": 5}',
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong("no JSON");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw wrong("no object");
}
