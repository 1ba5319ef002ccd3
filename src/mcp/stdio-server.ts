import type { Writable } from "node:stream";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { systemClock } from "../scope/index.ts";
import type { System } from "../system/index.ts";
import { LineTransport } from "./line-transport.ts";
import { identityOf } from "./identity.ts";
import type { AppSource, McpApp } from "./mcp-app.ts";
import { createMcpServer } from "./mcp-server.ts";
import type { Offer } from "./offer.ts";
import { watchParent } from "./parent-watch.ts";
import { openDoor, type SystemDoor } from "./system-door.ts";

export interface StdioServer {
  /** Resolves when the client has closed its side, and what it still waited for has been answered, or when it has died. */
  readonly closed: Promise<void>;
  /** Ends the connection, and closes the system. */
  close(): Promise<void>;
}

export interface StdioServerOptions {
  /** May be called again after it has failed, or after the system has. */
  readonly open: () => Promise<System>;
  readonly version: string;
  /** What is offered. Asked for once, behind the handshake: loading it takes longer than a client likes to wait. */
  readonly offer: () => Promise<Offer>;
  /** What `claimStandardOutput` gave. */
  readonly output: Writable;
}

/** A client that has not said anything for so long does not wait for the handshake. */
const SILENCE_MS = 50;

/**
 * Serves MCP over standard input and output, in both protocol eras. Behind the first answer the tools are loaded and the
 * system is opened: a call waits for them, the handshake does not. When the system cannot be opened, every call says why,
 * and the next one tries again.
 */
export function openStdioServer({ open, version, offer, output }: StdioServerOptions): StdioServer {
  const closed = Promise.withResolvers<void>();
  const transport = new LineTransport({ input: process.stdin, output });
  let door: SystemDoor | undefined;
  let loading: Promise<McpApp> | undefined;
  let offered: Promise<McpApp> | undefined;
  const load = async (): Promise<McpApp> => {
    const [{ createMcpApp }, what] = await Promise.all([import("./mcp-app.ts"), offer()]);
    door = openDoor(open);
    return createMcpApp({ door, version, ...what });
  };
  const loaded = (): Promise<McpApp> => {
    loading ??= load();
    // Without what it offers it serves nobody: why is told, and its end answers whoever waits.
    offered ??= loading.catch((why: unknown) => {
      closed.reject(why);
      return new Promise<never>(() => undefined);
    });
    return offered;
  };
  const source: AppSource = { identity: identityOf(version), loaded };
  const handle = serveStdio((connection) => createMcpServer(source, connection), {
    transport: announcing(transport, closed.resolve),
    onerror: (why) =>
      void offered?.then(({ services }) => services.log.debug("a message was not served", { error: why })),
  });
  const timer = systemClock.at(systemClock.now() + SILENCE_MS, () => void loaded());
  void transport.answered.then(loaded);
  const unwatch = watchParent({ clock: systemClock, onGone: closed.resolve });
  return {
    closed: closed.promise,
    async close() {
      timer.cancel();
      unwatch();
      await handle.close();
      const app = await loading?.catch(() => undefined);
      app?.services.reports.flush();
      await door?.close();
    },
  };
}

/** Whoever serves a transport takes its `onclose` for itself. */
function announcing(transport: LineTransport, onClosed: () => void): LineTransport {
  const close = transport.close.bind(transport);
  transport.close = async () => {
    await close();
    onClosed();
  };
  return transport;
}
