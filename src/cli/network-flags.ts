import { fault, isFault } from "../errors/index.ts";
import type { GithubOptions, NetworkOptions } from "../system/index.ts";
import { textOf, textsOf, type Flags, type Values } from "./arguments.ts";
import { settings } from "./setting-flags.ts";

/** How this node finds peers, and how they find it; without `--network` they mean nothing. */
export const NETWORK_FLAGS: Flags = settings(
  "network",
  "reach",
  "listen",
  "announce",
  "capability",
  "peers-file",
  "mdns",
  "dht",
  "gossip",
  "github",
  "bootstrap",
  "bootstrap-defaults",
  "stun",
  "public-ip",
  "port-mapping",
  "relay",
  "relay-server",
);

/** What was typed for an option of the network. */
export const NETWORK_TYPED: Readonly<Record<string, string>> = {
  "network.reach": "--reach",
  "network.listen": "--listen",
  "network.announce": "--announce",
  "network.capabilities": "--capability",
  "network.bootstrap.nodes": "--bootstrap",
  "network.nat.stun": "--stun",
  "network.nat.publicAddress": "--public-ip",
  "network.nat.relays": "--relay",
};

/** A refusal of such an option speaks of what was typed. */
export function inNetworkFlags(error: unknown): unknown {
  if (!isFault(error, "INVALID_ARGUMENT")) return error;
  const { argument, ...rest } = error.details;
  const typed = NETWORK_TYPED[argument.replace(/\[\d+\]$/, "")];
  return typed === undefined
    ? error
    : fault("INVALID_ARGUMENT", { ...rest, argument: typed }, { cause: error });
}

/** Undefined: networking stays off. @throws INVALID_ARGUMENT */
export function networkOf(values: Values): NetworkOptions | undefined {
  if (values["network"] !== true) {
    const idle = Object.keys(NETWORK_FLAGS).find((name) => name !== "network" && values[name] !== undefined);
    if (idle === undefined) return undefined;
    throw fault("INVALID_ARGUMENT", {
      argument: `--${idle}`,
      got: "given without --network",
      allowed: "that beside --network, which turns networking on",
    });
  }
  return networkGiven(values);
}

/** The same for whoever needs networking. @throws INVALID_ARGUMENT */
export function networkGiven(values: Values): NetworkOptions {
  const list = (name: string): readonly string[] | undefined =>
    values[name] === undefined ? undefined : textsOf(values, name);
  const [reach, file] = [textOf(values, "reach"), textOf(values, "peers-file")];
  const is = (name: string): boolean => values[name] === true;
  return {
    ...(reach !== undefined && { reach: reach.split(",") as NetworkOptions["reach"] & {} }),
    ...defined({ listen: list("listen"), announce: list("announce"), capabilities: list("capability") }),
    discover: {
      mdns: is("mdns"),
      dht: is("dht"),
      gossip: is("gossip"),
      ...defined({ file, github: githubOf(textOf(values, "github")) }),
    },
    bootstrap: { defaults: is("bootstrap-defaults"), nodes: textsOf(values, "bootstrap") },
    nat: {
      stun: textsOf(values, "stun"),
      publicAddress: textsOf(values, "public-ip"),
      portMapping: is("port-mapping"),
      relays: textsOf(values, "relay"),
      relayServer: is("relay-server"),
    },
  };
}

function githubOf(text: string | undefined): GithubOptions | undefined {
  if (text === undefined) return undefined;
  const [owner = "", repository = "", ...more] = text.split("/");
  if (owner !== "" && repository !== "" && more.length === 0) return { owner, repository };
  throw fault("INVALID_ARGUMENT", { argument: "--github", got: `"${text}"`, allowed: "owner/repository" });
}

/** Without what was not given. */
function defined<T extends object>(members: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
