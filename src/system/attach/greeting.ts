import { createHash } from "node:crypto";
import { realpathSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { handshakeOf } from "../../actor/index.ts";
import { fault, fromWireError, toWireError, type Fault, type WireError } from "../../errors/index.ts";
import { ACTORS, PROTOCOLS } from "../actors.ts";
import { packageVersion } from "../package-version.ts";

/** What the two sides of a local socket say first. A refusal is one sentence, and no reason for the owner to mind. */

export interface Hello {
  /** Version of the package, and a digest of the protocols of the eight actors. */
  readonly build: string;
  /** Which directory is meant: a copy of it holds the copy of a note that leads to the socket of the first. */
  readonly directory: string;
  /** Real paths of the modules of handlers that the guest counts on. */
  readonly modules: readonly string[];
}

export interface Welcome {
  /** Of the owner's process. */
  readonly pid: number;
  /** How long its cancelled handlers may take. */
  readonly graceMs: number;
}

/** `null`: this owner has another directory. */
export type Greeted = Welcome | Fault | null;

export const helloOf = (data: string, modules: readonly string[]): Hello => ({
  build: buildOf(),
  directory: directoryIdOf(data),
  modules: modules.map((url) => realpathSync(fileURLToPath(url))),
});

export const helloFields = ({ build, directory, modules }: Hello): readonly unknown[] => [
  "hello",
  build,
  directory,
  modules,
];

export const welcomeFields = ({ pid, graceMs }: Welcome): readonly unknown[] => ["welcome", pid, graceMs];

export const refusalFields = (why: Fault | null): readonly unknown[] => [
  "refused",
  why === null ? null : toWireError(why),
];

/** @throws VALUE_CORRUPT */
export function helloIn(fields: readonly unknown[]): Hello {
  const [word, build, directory, modules] = fields;
  const sound =
    word === "hello" &&
    typeof build === "string" &&
    typeof directory === "string" &&
    Array.isArray(modules) &&
    modules.every((each) => typeof each === "string");
  if (!sound) throw fault("VALUE_CORRUPT", { why: "a greeting that is none" });
  return { build, directory, modules };
}

/** @throws VALUE_CORRUPT */
export function greetingIn(fields: readonly unknown[]): Greeted {
  const [word, first, graceMs] = fields;
  if (word === "welcome" && typeof first === "number" && typeof graceMs === "number")
    return { pid: first, graceMs };
  if (word === "refused") return first === null ? null : fromWireError(first as WireError);
  throw fault("VALUE_CORRUPT", { why: "a greeting that is none" });
}

/** Why a guest cannot be served; null: this is another directory; undefined: it is welcome. */
export function objectionTo(
  hello: Hello,
  own: Hello & { readonly pid: number; readonly data: string },
): Fault | null | undefined {
  if (hello.directory !== own.directory) return null;
  if (hello.build !== own.build) {
    const actor = `process ${own.pid}, which owns ${own.data},`;
    return fault("PROTOCOL_MISMATCH", { actor, ours: hello.build, theirs: own.build });
  }
  const missing = hello.modules.find((path) => !own.modules.includes(path));
  if (missing === undefined) return undefined;
  const why = `process ${own.pid}, which owns ${own.data}, runs without it: start that with it, or end it`;
  return fault("MODULE_INVALID", { module: missing, why });
}

function buildOf(): string {
  const digest = createHash("sha256");
  for (const name of ACTORS) digest.update(`${handshakeOf(PROTOCOLS[name])}\n`);
  return `mcplusplus ${packageVersion()} (protocols ${digest.digest("hex").slice(0, 12)})`;
}

/** It stays the same when the directory is moved, and no copy has it. */
function directoryIdOf(data: string): string {
  const { dev, ino } = statSync(data, { bigint: true });
  return `${dev}:${ino}`;
}
