import { readFileSync } from "node:fs";

/** Of this package, beside `src/` in a clone and `dist/src/` in the built package. */
export function version(): string {
  const up = import.meta.url.endsWith(".ts") ? "../../" : "../../../";
  const manifest = JSON.parse(readFileSync(new URL(`${up}package.json`, import.meta.url), "utf8")) as {
    version: string;
  };
  return manifest.version;
}
