import { PROTOCOL_VERSION_META_KEY } from "@modelcontextprotocol/server";
import { isPlainObject } from "../../schema/index.ts";
import type { Members } from "./frame.ts";
import { invalidParams, mismatch, type Refusal } from "./refusal.ts";

/** The two ways of speaking the protocol, by the names under which they are published. */
export const BINDINGS = {
  legacy: "mcp-binding/legacy-2024-11-05",
  modern: "mcp-binding/2026-07-28",
} as const;
export type Binding = keyof typeof BINDINGS;

const BINDING_META_KEY = "io.mcplusplus/bindingId";
/** The version of a peer that names none, as the published minimum does. */
const LEGACY_VERSION = "2024-11-05";

/** What is served, under each name that it is asked for by. */
const METHODS: ReadonlyMap<unknown, string> = new Map([
  ["initialize", "initialize"],
  ["server/discover", "server/discover"],
  ["ping", "ping"],
  ["tools/list", "tools/list"],
  ["tools.list", "tools/list"],
  ["tools/call", "tools/call"],
  ["tools.call", "tools/call"],
]);

/** Undefined: it is not served. */
export const methodOf = ({ method }: Members): string | undefined => METHODS.get(method);

export const isNotification = (message: Members): boolean => !("id" in message);

/** Parameters that are there; an empty object when there are none, undefined when they are no object. */
export function paramsOf({ params }: Members): Members | undefined {
  if (params === undefined) return {};
  return isMembers(params) ? params : undefined;
}

/** The tool that a message calls, for the question whether it may; null: it is no call. */
export function calledTool(message: Members): string | null {
  const name = methodOf(message) === "tools/call" ? paramsOf(message)?.["name"] : undefined;
  return typeof name === "string" ? name : null;
}

/** A message is of the newer binding if, and only if, it says its version in itself. */
export function claimsVersion(message: Members): boolean {
  const meta = paramsOf(message)?.["_meta"];
  return isMembers(meta) && Object.hasOwn(meta, PROTOCOL_VERSION_META_KEY);
}

/** What contradicts the claim of a message of the newer binding; its version is judged by whoever serves it. */
export function claimProblem(message: Members): Refusal | undefined {
  const meta = paramsOf(message)?.["_meta"];
  const binding = isMembers(meta) ? meta[BINDING_META_KEY] : undefined;
  if (binding === undefined || binding === BINDINGS.modern) return undefined;
  return mismatch(`${BINDING_META_KEY} is another than that of the version`, [BINDINGS.modern]);
}

/** How a peer introduces itself. */
export interface Introduction {
  /** What the protocol's package is told. */
  readonly params: Members;
  /** It named no version, and speaks the published minimum. */
  readonly isBare: boolean;
  /** Profiles that it would like, the first one that is known counts. */
  readonly profiles: readonly string[];
}

/** Published clients leave out whatever they can. What is there must be right. */
export function introductionOf(message: Members): Introduction | Refusal {
  const given = paramsOf(message);
  if (given === undefined) return invalidParams("params is not an object");
  const { protocolVersion, capabilities = {}, clientInfo = { name: "peer", version: "0" } } = given;
  if (protocolVersion !== undefined && typeof protocolVersion !== "string")
    return invalidParams("protocolVersion is not a text");
  if (!isMembers(capabilities)) return invalidParams("capabilities is not an object");
  if (!isMembers(clientInfo) || typeof clientInfo["name"] !== "string")
    return invalidParams("clientInfo has no name");
  const published = capabilities["mcp++"];
  const binding = isMembers(published) ? published["bindingId"] : undefined;
  if (binding !== undefined && binding !== BINDINGS.legacy)
    return mismatch("bindingId is not that of initialize", [BINDINGS.legacy]);
  const version = typeof clientInfo["version"] === "string" ? clientInfo["version"] : "0";
  const { profile, profiles } = given;
  const wished = [profile, ...(Array.isArray(profiles) ? (profiles as unknown[]) : [])];
  return {
    isBare: protocolVersion === undefined,
    profiles: wished.filter((each) => typeof each === "string"),
    params: {
      protocolVersion: protocolVersion ?? LEGACY_VERSION,
      // Nothing is ever asked of a peer, whatever it offers.
      capabilities: {},
      clientInfo: { name: clientInfo["name"], version },
    },
  };
}

export const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value) && isPlainObject(value);
