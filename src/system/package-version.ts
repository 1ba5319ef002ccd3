import { readFileSync } from "node:fs";

/** Of this package: two folders up in a clone and in the built package alike. */
export function packageVersion(): string {
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
