import { onTestFinished } from "vitest";
import { PeerHost, type PeerHostOptions } from "../../../../src/mcp/p2p/peer-server.ts";
import type { Authorize } from "../../../../src/mcp/p2p/peer-services.ts";
import { LIMITS } from "../../../../src/errors/index.ts";
import { openDoor } from "../../../../src/mcp/system-door.ts";
import { systemClock } from "../../../../src/scope/index.ts";
import type { System } from "../../../../src/system/index.ts";
import { createLog } from "../../../../src/telemetry/index.ts";
import type { ManualClock } from "../../../kit/manual-clock.ts";
import { peerTools } from "./peer-tools.ts";
import { RawPeer } from "./raw-peer.ts";
import { streamPair } from "./stream-pair.ts";

export interface HostKitOptions extends Partial<PeerHostOptions> {
  readonly clock?: ManualClock;
  /** Default: none that a tool could use. */
  readonly system?: System;
  /** By peer, the tools that its grant names. Default: `peer-a` and `peer-b` may call anything. */
  readonly grants?: Record<string, readonly string[]>;
}

/** For tools that need none. */
export const NO_SYSTEM = {
  failed: new Promise<never>(() => {}),
  close: async () => {},
  actors: { router: { cast: { measured: () => true } } },
} as unknown as System;

/** A server for peers over streams in this process. */
export function openHost(options: HostKitOptions = {}) {
  const grants = new Map(
    Object.entries(options.grants ?? { "peer-a": ["*", "wipe"], "peer-b": ["*", "wipe"] }),
  );
  const asked: (string | null)[] = [];
  const faults: string[] = [];
  const system = options.system ?? NO_SYSTEM;
  const door = openDoor(async () => system);
  const { tools, wiped, held } = peerTools();
  const authorize: Authorize = async (peerId, tool) => {
    asked.push(tool);
    const tools = grants.get(peerId);
    if (tools === undefined) return { ok: false, why: "it has no grant" };
    if (tool !== null && !tools.includes(tool) && !tools.includes("*"))
      return { ok: false, why: "its grant does not name the tool" };
    return { ok: true, tools };
  };
  const log = createLog({
    component: "mcp-p2p",
    clock: systemClock,
    level: "error",
    sink: (line) => void faults.push(line),
  });
  const host = new PeerHost({
    peerId: "node",
    authorize,
    door,
    version: "1.2.3",
    tools,
    environment: {},
    log,
    ...options,
  });
  onTestFinished(async () => {
    const closed = host.close();
    // What the test has left under way has its grace on the test's own clock.
    await options.clock?.advance(LIMITS.mcp.endGraceMs);
    await closed;
    await door.close();
  });
  const connect = (theirs = "peer-a") => {
    const { server, client } = streamPair({ theirs });
    const peer = new RawPeer(client);
    return { peer, server, client, served: host.serve(server) };
  };
  return {
    host,
    grants,
    connect,
    /** What grants were asked about. */
    asked,
    /** What was logged as an error. */
    faults,
    /** What `wipe` was carried out for. */
    wiped,
    held,
    /** A call by an honest peer on a stream of its own: it works whatever others have done. */
    async honestCall(theirs = "peer-b"): Promise<unknown> {
      const { peer, served, client } = connect(theirs);
      await peer.initialize();
      const answer = await peer.tool("repeat", { text: "ja" });
      client.endWriting();
      await served;
      return answer["text"];
    },
  };
}
