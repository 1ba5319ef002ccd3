import { readFile } from "node:fs/promises";
import type { Contestant } from "../queue/contestant.ts";

/** A rival that has started, and what it turned out to be. */
export interface Rival {
  /** With versions and the durability that was verified, not the one that was asked for. */
  readonly is: string;
  /** The ways in which it is used, by name; the best figure of all counts. */
  readonly ways: Readonly<Record<string, Contestant>>;
  close(): Promise<void>;
}

/**
 * The rivals have a package.json of their own and are not installed with the project, so their types are not there to
 * be checked against: what is used of them is written down where it is used.
 */
export async function load<Module>(name: string): Promise<Module> {
  return (await import(name)) as Module;
}

/** Of a rival's package, as it is installed. */
export async function versionOf(name: string): Promise<string> {
  const path = new URL(`./node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(await readFile(path, "utf8")) as { version: string }).version;
}
