import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fault, sentenceOf } from "../errors/index.ts";
import { readText } from "./text-file.ts";

/** The object that a configuration file holds. Whether its keys and values are right is not known yet. */
export interface ConfigFile {
  readonly path: string;
  /** Paths in it are relative to this. */
  readonly directory: string;
  readonly content: Readonly<Record<string, unknown>>;
}

/** The user's own file, which is read by itself. @see https://specifications.freedesktop.org/basedir-spec/latest/ */
export function ownConfigPath(env: NodeJS.ProcessEnv): string {
  const base = env["XDG_CONFIG_HOME"];
  return join(
    base === undefined || base === "" ? join(homedir(), ".config") : base,
    "mcplusplus",
    "config.json",
  );
}

/**
 * The file that was named, or else the user's own; null when there is none.
 *
 * @param named by `--config`; else by the variable `MCPLUSPLUS_CONFIG`
 * @throws FILE_UNREADABLE, also for a named file that there is not, and for one that holds no JSON object
 */
export async function readConfigFile(
  named: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<ConfigFile | null> {
  const asked = named ?? (env["MCPLUSPLUS_CONFIG"] || undefined);
  const path = resolve(asked ?? ownConfigPath(env));
  if (asked === undefined && !existsSync(path)) return null;
  return { path, directory: dirname(path), content: objectIn(path, await readText(path)) };
}

function objectIn(path: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw fault("FILE_UNREADABLE", { path, why: `it is no JSON: ${sentenceOf(error)}` }, { cause: error });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw fault("FILE_UNREADABLE", { path, why: "it holds no JSON object" });
}
