import { numberOf, textOf, textsOf, type Command, type Flags, type Values } from "./arguments.ts";
import { NETWORK_TYPED } from "./network-flags.ts";
import { NODE_FLAGS, nodeOptions, peerIdOf } from "./node-options.ts";
import { peerCallCommand, peerToolsCommand } from "./peer-tools-command.ts";
import { counted, factLines, tableLines } from "./table.ts";
import {
  PAGE_FLAGS,
  given,
  pageArgs,
  toolCommand,
  type Answer,
  type CommandGroup,
  type ToolVerb,
} from "./tool-command.ts";

const peerCommand = (verb: ToolVerb): Command =>
  toolCommand({
    ...verb,
    flags: { ...verb.flags, ...NODE_FLAGS },
    typed: { ...NETWORK_TYPED, ...verb.typed },
    options: nodeOptions,
  });

const capabilityFlag: Flags = {
  with: {
    type: "string",
    multiple: true,
    value: "<name>",
    help: "only peers with this capability; may be given several times, and they must have all",
  },
};
const capabilityArgs = (values: Values): readonly string[] | undefined =>
  values["with"] === undefined ? undefined : textsOf(values, "with");

type Row = Readonly<Record<string, unknown>>;

function peerLines(peers: readonly Row[]): string[] {
  if (peers.length === 0) return ["no peers"];
  const rows = peers.map((peer) => {
    const metrics = (peer["metrics"] ?? {}) as Row;
    const latency = metrics["latency_ms"];
    return [
      peer["peer_id"],
      peer["status"],
      typeof latency === "number" ? `${latency.toFixed(1)} ms` : null,
      (peer["capabilities"] as string[]).join(", "),
      placeOf(peer),
    ];
  });
  return tableLines(["PEER", "STATUS", "LATENCY", "CAPABILITIES", "ADDRESS"], rows);
}

/** The id stands in a column of its own. */
const placeOf = ({ multiaddr, peer_id: id }: Row): unknown =>
  typeof multiaddr === "string" ? multiaddr.replace(`/p2p/${String(id)}`, "") : multiaddr;

/** What was refused, most often first: "no_grant 3, malformed 1". */
const refusedText = (counts: unknown): string =>
  Object.entries((counts ?? {}) as Record<string, number>)
    .toSorted(([, one], [, other]) => other - one)
    .map(([why, count]) => `${why} ${count}`)
    .join(", ");

/** A node that was started for a command is gone with it, and its connections and its free port too. */
const noteEnd: NonNullable<ToolVerb["follow"]> = async (answer, { system, note }) => {
  if (system.role === "owner")
    note("this node ends with the command; mcplusplus serve --network keeps one running");
  return answer;
};

const status = peerCommand({
  name: "peers status",
  operands: "",
  summary: "show this node: its id, its addresses, and how it is connected",
  flags: {},
  examples: ["mcplusplus peers status", "mcplusplus peers status --json"],
  tool: "node_status",
  argsOf: () => ({}),
  linesOf: (node) =>
    factLines([
      ["id", node["peer_id"]],
      ...(node["addresses"] as string[]).map((address) => ["address", address] as const),
      ["connections", node["connections"]],
      ["state", node["state"]],
      ["NAT", node["nat_type"]],
      ["public IPv4", node["public_ipv4"]],
      ["public IPv6", node["public_ipv6"]],
      ["mapped", node["mapped_address"]],
      ["next try", node["next_try"]],
      ["refused", refusedText(node["refused"])],
    ]),
  follow: noteEnd,
});

const discover = peerCommand({
  name: "peers discover",
  operands: "",
  summary: "look for peers, and list those that were found",
  flags: {
    ...capabilityFlag,
    max: { type: "string", value: "<n>", help: "how many at most (default 10)" },
    timeout: { type: "string", value: "<s>", help: "seconds to look for them (default 30)" },
  },
  examples: [
    "mcplusplus peers discover --reach lan --mdns --timeout 5",
    "mcplusplus peers discover --with resize",
  ],
  tool: "peer_discover",
  typed: { capability_filter: "--with", max_peers: "--max" },
  argsOf: (_operands, values) => ({
    include_metrics: true,
    ...given({
      capability_filter: capabilityArgs(values),
      max_peers: numberOf(values, "max"),
      timeout: numberOf(values, "timeout"),
    }),
  }),
  linesOf({ peers, sources }) {
    const failed = (sources as Row[]).filter(({ failure }) => failure !== null);
    return [
      ...peerLines(peers as Row[]),
      ...failed.map(({ source, failure }) => `${String(source)}: ${String(failure)}`),
    ];
  },
});

const connect = peerCommand({
  name: "peers connect",
  operands: "<multiaddr>",
  summary: "connect to a peer at an address that ends with /p2p/<id>",
  flags: {
    timeout: { type: "string", value: "<s>", help: "seconds for each attempt (default 30)" },
    attempts: { type: "string", value: "<n>", help: "attempts at most (default 3)" },
    once: { type: "boolean", help: "do not connect again when the connection is lost" },
  },
  examples: ["mcplusplus peers connect /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW… --reach internet"],
  tool: "peer_connect",
  typed: { multiaddr: "<multiaddr>", peer_id: "the id in <multiaddr>", retry_count: "--attempts" },
  argsOf: ([address = ""], values) => ({
    peer_id: peerIdOf(address),
    multiaddr: address,
    persist: values["once"] !== true,
    ...given({ timeout: numberOf(values, "timeout"), retry_count: numberOf(values, "attempts") }),
  }),
  linesOf: ({ peer_id: id, attempts }) => [`connected to ${String(id)} at attempt ${String(attempts)}`],
  follow: noteEnd,
});

const disconnect = peerCommand({
  name: "peers disconnect",
  operands: "<peer>",
  summary: "close the connection to a peer, and do not connect again",
  flags: { now: { type: "boolean", help: "cut off what is under way" } },
  examples: ["mcplusplus peers disconnect 12D3KooW…"],
  tool: "peer_disconnect",
  typed: { peer_id: "<peer>" },
  argsOf: ([id], values) => ({ peer_id: id, graceful: values["now"] !== true }),
  linesOf: ({ peer_id: id, was_connected: was }) => [
    was === true ? `disconnected from ${String(id)}` : `${String(id)} was not connected`,
  ],
});

const list = peerCommand({
  name: "peers list",
  operands: "",
  summary: "list the peers that are known",
  flags: {
    ...capabilityFlag,
    status: { type: "string", value: "<status>", help: "connected, connecting or disconnected" },
    sort: { type: "string", value: "<by>", help: "last_seen, latency, bandwidth or peer_id" },
    ...PAGE_FLAGS,
  },
  examples: ["mcplusplus peers list --status connected --sort latency"],
  tool: "peer_list",
  typed: { capability_filter: "--with", status_filter: "--status", sort_by: "--sort" },
  argsOf: (_operands, values) =>
    given({
      capability_filter: capabilityArgs(values),
      status_filter: textOf(values, "status"),
      sort_by: textOf(values, "sort"),
      ...pageArgs(values),
    }),
  linesOf({ peers, total_count: total, has_more: more }) {
    const lines = peerLines(peers as Row[]);
    return more === true ? [...lines, `${(peers as Row[]).length} of ${String(total)}`] : lines;
  },
});

/** With as many digits as a figure is good for. */
const shortFigure = (figure: unknown): unknown =>
  typeof figure === "number" ? Number(figure.toFixed(3)) : (figure ?? "not measured");

const metrics = peerCommand({
  name: "peers metrics",
  operands: "<peer>",
  summary: "show what was measured of a peer",
  flags: { hours: { type: "string", value: "<n>", help: "with the hours before, up to 168" } },
  examples: ["mcplusplus peers metrics 12D3KooW… --hours 24"],
  tool: "peer_metrics",
  typed: { peer_id: "<peer>", history_hours: "--hours" },
  argsOf([id], values) {
    const hours = numberOf(values, "hours");
    return { peer_id: id, ...(hours !== undefined && { include_history: true, history_hours: hours }) };
  },
  linesOf({ current_metrics: now, history }) {
    const names = Object.keys(now as Row);
    const facts = names.map((name) => [name.replaceAll("_", " "), shortFigure((now as Row)[name])] as const);
    if (history === undefined) return factLines(facts);
    const columns = ["timestamp", ...names];
    const rows = (history as Row[]).map((point) =>
      columns.map((name) => (name === "timestamp" ? point[name] : shortFigure(point[name]))),
    );
    return [...factLines(facts), "", ...tableLines(columns, rows)];
  },
});

const bootstrap = peerCommand({
  name: "peers bootstrap",
  operands: "[<multiaddr> …]",
  summary: "connect to the first peers of the network",
  flags: {
    timeout: { type: "string", value: "<s>", help: "seconds for all of it (default 60)" },
    min: { type: "string", value: "<n>", help: "connections that make it ready (default 3)" },
    max: { type: "string", value: "<n>", help: "connections at which it stops (default 10)" },
  },
  examples: ["mcplusplus peers bootstrap --reach internet --bootstrap-defaults --min 1"],
  tool: "bootstrap_network",
  typed: { bootstrap_nodes: "<multiaddr>", min_connections: "--min", max_connections: "--max" },
  argsOf: (nodes, values) =>
    given({
      bootstrap_nodes: nodes.length > 0 ? [...nodes] : undefined,
      timeout: numberOf(values, "timeout"),
      min_connections: numberOf(values, "min"),
      max_connections: numberOf(values, "max"),
    }),
  linesOf: ({ connected_peers: peers, failed_count: failed, bootstrap_time: took }) => [
    `${counted((peers as string[]).length, "connection")} in ${String(took)} s; ${counted(failed, "attempt")} failed`,
    ...(peers as string[]),
  ],
  follow: noteEnd,
});

const allow = peerCommand({
  name: "peers allow",
  operands: "<peer>",
  summary: "let a peer run tasks or call tools here; prints the token for it",
  flags: {
    action: {
      type: "string",
      multiple: true,
      value: "<name>",
      help: "it may run; may be given several times; * is any",
    },
    tool: {
      type: "string",
      multiple: true,
      value: "<name>",
      help: "it may call; may be given several times; * is any",
    },
    concurrency: { type: "string", value: "<n>", help: "tasks at once (default 4)" },
    "per-minute": { type: "string", value: "<n>", help: "starts per minute (default 600)" },
    "bytes-max": { type: "string", value: "<n>", help: "bytes of one input or output (default 104857600)" },
    hours: { type: "string", value: "<n>", help: "how long it holds (default 168)" },
  },
  examples: ["mcplusplus peers allow 12D3KooW… --action resize --concurrency 2 --hours 24"],
  tool: "peer_allow",
  typed: { peer_id: "<peer>", actions: "--action", tools: "--tool" },
  argsOf: ([id], values) => ({
    peer_id: id,
    actions: textsOf(values, "action"),
    tools: textsOf(values, "tool"),
    ...given({
      concurrency: numberOf(values, "concurrency"),
      per_minute: numberOf(values, "per-minute"),
      bytes_max: numberOf(values, "bytes-max"),
      hours: numberOf(values, "hours"),
    }),
  }),
  linesOf: ({ token, expires_time: until }) => [
    `holds until ${String(until)}; on the other node: mcplusplus peers use <token>`,
    String(token),
  ],
});

const revoke = peerCommand({
  name: "peers revoke",
  operands: "<peer>",
  summary: "take back what a peer may do here, and stop what it has running",
  flags: {},
  examples: ["mcplusplus peers revoke 12D3KooW…"],
  tool: "peer_revoke",
  typed: { peer_id: "<peer>" },
  argsOf: ([id]) => ({ peer_id: id }),
  linesOf: ({ revoked_count: revoked, stopped_tasks: stopped }) => [
    `${counted(revoked, "grant")} taken back; ${counted(stopped, "task")} stopped`,
  ],
});

const grants = peerCommand({
  name: "peers grants",
  operands: "",
  summary: "list what peers may do here",
  flags: {},
  examples: ["mcplusplus peers grants --json"],
  tool: "peer_grants",
  argsOf: () => ({}),
  linesOf({ grants: all, refusals }) {
    const refused = refusedText(refusals);
    const rows = (all as Row[]).map((grant) => [
      grant["peer_id"],
      [...(grant["actions"] as string[]), ...(grant["tools"] as string[])].join(", "),
      grant["running_tasks"],
      grant["started_tasks"],
      grant["revoked_time"] === null ? grant["expires_time"] : "taken back",
    ]);
    return [
      ...(rows.length === 0
        ? ["no peer may do anything here"]
        : tableLines(["PEER", "MAY", "RUNNING", "STARTED", "UNTIL"], rows)),
      ...(refused === "" ? [] : [`refused since the node was started: ${refused}`]),
    ];
  },
});

const use = peerCommand({
  name: "peers use",
  operands: "<token>",
  summary: "take a token of another node: tasks of this one may run there",
  flags: {},
  examples: ["mcplusplus peers use CiQI…"],
  tool: "peer_use",
  typed: { token: "<token>" },
  argsOf: ([token]) => ({ token }),
  linesOf: ({ peer_id: id, actions, expires_time: until }) => [
    `${String(id)} takes ${(actions as string[]).join(", ") || "no tasks"} until ${String(until)}`,
  ],
});

const drop = peerCommand({
  name: "peers drop",
  operands: "<peer>",
  summary: "send a peer nothing any more",
  flags: {},
  examples: ["mcplusplus peers drop 12D3KooW…"],
  tool: "peer_drop",
  typed: { peer_id: "<peer>" },
  argsOf: ([id]) => ({ peer_id: id }),
  linesOf: ({ peer_id: id, returned_tasks: returned }) => [
    `nothing goes to ${String(id)} any more; ${counted(returned, "task")} given back`,
  ],
});

const outlets = peerCommand({
  name: "peers outlets",
  operands: "",
  summary: "list the peers where tasks of this node may run",
  flags: {},
  examples: ["mcplusplus peers outlets"],
  tool: "peer_outlets",
  argsOf: () => ({}),
  linesOf({ outlets: all }: Answer) {
    const rows = (all as Row[]).map((outlet) => [
      outlet["peer_id"],
      (outlet["actions"] as string[]).join(", "),
      outlet["running_tasks"],
      outlet["completed_tasks"],
      outlet["returned_tasks"],
      outlet["held"] ?? "goes",
    ]);
    return rows.length === 0
      ? ["no tasks go to peers"]
      : tableLines(["PEER", "ACTIONS", "RUNNING", "COMPLETED", "RETURNED", "STATE"], rows);
  },
});

export const peersGroup: CommandGroup = {
  name: "peers",
  summary: "other nodes: who they are, what they may do here, and what may run there",
  commands: [
    status,
    discover,
    connect,
    disconnect,
    list,
    metrics,
    bootstrap,
    allow,
    revoke,
    grants,
    use,
    drop,
    outlets,
    peerToolsCommand,
    peerCallCommand,
  ],
};
