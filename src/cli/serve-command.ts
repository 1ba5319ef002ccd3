import { LIMITS } from "../errors/index.ts";
import type { System, SystemOptions } from "../system/index.ts";
import { textOf, textsOf, wholeOf, type Command, type Flags, type Values } from "./arguments.ts";
import { openInterrupts } from "./interrupts.ts";
import { openForPeers } from "./peer-service.ts";
import { SERVER_FLAGS, leaveInTime, offerOf, systemOptions } from "./server-options.ts";
import { settings } from "./setting-flags.ts";
import { version } from "./version.ts";

const PORT = 8_000;
const P2P_PORT = 8_001;
const PORT_MAX = 65_535;

const HTTP_FLAGS: Flags = settings(
  "http",
  "host",
  "port",
  "token-file",
  "allow-origin",
  "max-connections",
  "request-timeout",
  "no-compression",
  "dual",
  "p2p-port",
);

export const serveCommand: Command = {
  name: "serve",
  operands: "",
  summary: "keep a data directory open and carry out what is submitted to it; with --http serve MCP too",
  flags: { ...SERVER_FLAGS, ...HTTP_FLAGS },
  examples: [
    "mcplusplus serve --tasks ./my.tasks.ts",
    "mcplusplus serve --http --port 8080",
    "mcplusplus serve --http --host 0.0.0.0 --token-file ./token --allow-origin build.example.org",
  ],
  async run(_, values) {
    const interrupts = openInterrupts((note) => process.stderr.write(`${note}\n`), "stopping");
    const serving = values["http"] === true ? await overHttp(values) : await alone(values);
    for (const line of serving.lines) process.stdout.write(`${line}\n`);
    try {
      // A system that cannot be kept up says why.
      await Promise.race([interrupts.interrupted, serving.failed]);
    } finally {
      leaveInTime();
      await serving.close();
      interrupts.close();
    }
    return 0;
  },
};

interface Serving {
  readonly lines: readonly string[];
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

async function alone(values: Values): Promise<Serving> {
  const options = await systemOptions(values);
  const offer = options.network === undefined ? { tools: [] } : await offerOf(values);
  const system = await openForPeers(options, offer);
  const { failed } = system;
  return {
    lines: [...(await nodeLines(system, options)), `working in ${String(options.data)}; Ctrl-C ends it`],
    failed,
    close: () => system.close(),
  };
}

/** Who it is to its peers, and where. */
async function nodeLines(system: System, { network }: SystemOptions): Promise<string[]> {
  if (network === undefined) return [];
  const { peerId, addresses } = await system.peers.node();
  return [`node ${peerId}`, ...addresses.map((address) => `  at ${address}`)];
}

async function overHttp(values: Values): Promise<Serving> {
  const { openHttpServer, tokenFrom } = await import("../mcp/index.ts");
  const options = await systemOptions(values);
  const tokenFile = textOf(values, "token-file");
  const seconds = wholeOf(values, "request-timeout", 1, LIMITS.mcp.httpRequestMsMax / 1_000);
  const offer = await offerOf(values);
  const server = await openHttpServer({
    open: () => openForPeers(options, offer),
    version: version(),
    ...offer,
    host: textOf(values, "host") ?? "127.0.0.1",
    port: wholeOf(values, "port", 0, PORT_MAX) ?? PORT,
    allowedHosts: textsOf(values, "allow-origin"),
    connectionsMax:
      wholeOf(values, "max-connections", 1, LIMITS.mcp.httpConnectionsMax) ?? LIMITS.mcp.httpConnections,
    requestMs: seconds === undefined ? LIMITS.mcp.httpRequestMs : seconds * 1_000,
    compress: values["no-compression"] !== true,
    ...(tokenFile !== undefined && { token: tokenFrom(tokenFile) }),
    ...(values["dual"] === true && { p2pPort: wholeOf(values, "p2p-port", 0, PORT_MAX) ?? P2P_PORT }),
  });
  const lines = Object.entries(server.urls).map(([name, url]) => `${name} at ${url}`);
  // A system that fails is opened anew by the next call.
  return {
    lines: [...lines, "Ctrl-C ends it"],
    failed: new Promise<never>(() => undefined),
    close: () => server.close(),
  };
}
