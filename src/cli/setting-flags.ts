import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { LIMITS } from "../errors/index.ts";
import { textOf, wholeOf, type Flag, type Flags, type Values } from "./arguments.ts";

const path = (value: string, help: string): Flag => ({ type: "string", value, help, setting: "path" });
const paths = (value: string, help: string): Flag => ({ ...path(value, help), multiple: true });
const text = (value: string, help: string): Flag => ({ type: "string", value, help, setting: "text" });
const texts = (value: string, help: string): Flag => ({ ...text(value, help), multiple: true });
const number = (help: string, value = "<n>"): Flag => ({ type: "string", value, help, setting: "number" });
const yes = (help: string): Flag => ({ type: "boolean", help, setting: "text" });

/** Where a command keeps what it does, unless it is told otherwise. */
const DATA_DEFAULT = ".mcplusplus";

const { httpConnections, httpRequestMs } = LIMITS.mcp;

/**
 * Every flag that may also stand in the environment or in a configuration file. Commands take from here what they have a
 * use for.
 */
export const SETTING_FLAGS = {
  tasks: paths("<module>", "module of handlers; may be given several times"),
  data: path("<dir>", `data directory (default ${DATA_DEFAULT})`),
  root: paths("<dir>", "directory that handlers may use, besides the working one and --data"),
  "allow-host": texts(
    "<host>",
    "host, address or range that http_fetch may reach; may be given several times (default: none)",
  ),
  threads: number("handlers that run at once (default: one per core)"),
  "heap-mb": number("memory of one handler, in megabytes (default 1024)"),
  toolsets: text(
    "<names>",
    "sets of tools, of workflow, taskqueue, peers, deadletters, runs, templates, cache, remote, admin (default workflow,taskqueue,peers)",
  ),
  only: text("<names>", "single tools instead of whole sets"),
  "read-only": yes("only tools that change nothing"),
  tools: paths("<module>", "module of tools of your own; may be given several times"),
  templates: paths("<file>", "file of templates for the toolset templates; may be given several times"),
  http: yes("serve MCP over HTTP"),
  host: text("<address>", "where (default 127.0.0.1)"),
  port: number("0 is one that is free (default 8000)"),
  "token-file": path(
    "<file>",
    "file with the token that every request must bear; needed for any host but this machine",
  ),
  "allow-origin": texts("<host>", "further host name by which it may be called; may be given several times"),
  "max-connections": number(`connections at a time (default ${httpConnections})`),
  "request-timeout": number(`seconds that one request may take (default ${httpRequestMs / 1_000})`, "<s>"),
  "no-compression": yes("send answers as they are"),
  dual: yes("two listeners: one for tools that run here, one for those that actors answer"),
  "p2p-port": number("that of the second (default 8001)"),
  network: yes("turn networking on: find peers, and work with those that are allowed"),
  reach: text(
    "<whose>",
    "addresses that may be dialled: machine, lan, internet, with commas (default machine)",
  ),
  listen: texts(
    "<multiaddr>",
    "where peers reach this node; may be given several times (default: a free port)",
  ),
  announce: texts("<multiaddr>", "address that is told instead; may be given several times"),
  capability: texts("<name>", "what this node says that it can do; may be given several times"),
  "peers-file": path("<file>", "file in which nodes of one machine tell each other where they are"),
  mdns: yes("find peers on the local network"),
  dht: yes("find peers in a distributed hash table"),
  gossip: yes("hear of peers from peers"),
  github: text(
    "<owner/repository>",
    "find peers in the comments of an issue there; GITHUB_TOKEN lets it tell, too",
  ),
  bootstrap: texts("<multiaddr>", "first peer, with /p2p/<id>; may be given several times"),
  "bootstrap-defaults": yes("the public nodes of libp2p as first peers"),
  stun: texts("<host:port>", "server that tells the kind of NAT; may be given several times"),
  "public-ip": texts(
    "<url>",
    "service that tells the public address; may be given several times; default is five public ones",
  ),
  "port-mapping": yes("ask the gateway for a port"),
  relay: texts("<multiaddr>", "peer, with /p2p/<id>, through which this node can be reached"),
  "relay-server": yes("relay traffic of others"),
} as const satisfies Flags;

type SettingName = keyof typeof SETTING_FLAGS;

/** Some of them, as they are. */
export const settings = (...names: readonly SettingName[]): Flags =>
  Object.fromEntries(names.map((name) => [name, SETTING_FLAGS[name]]));

/** One of them with another word about it. */
export const setting = (name: SettingName, help: string): Flag => ({ ...SETTING_FLAGS[name], help });

export const dataOf = (values: Values): string => textOf(values, "data") ?? DATA_DEFAULT;

/** For a question about what is there: without a directory here, it is about the one of the servers, if there is that. */
export const dataAskedOf = (values: Values): string =>
  values["data"] === undefined && !existsSync(DATA_DEFAULT) && existsSync(serverData())
    ? serverData()
    : dataOf(values);

/** Where a server keeps what it does: a client may start it in any directory. */
export const serverData = (): string =>
  join(process.env["XDG_DATA_HOME"] || join(homedir(), ".local", "share"), "mcplusplus");

/** How many handlers may run at once. @throws INVALID_ARGUMENT */
export const threadsOf = (values: Values): number | undefined =>
  wholeOf(values, "threads", 1, LIMITS.compute.threadsMax);
