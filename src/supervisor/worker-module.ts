/**
 * The URL of an entry in `workers/`, beside `src/` in a clone and in the built package alike. The one place that
 * knows that folder: rooms refer to what runs on a thread by URL only.
 *
 * The compiler rewrites the endings of imports, not of URLs, so the ending is taken from this file's own.
 */
export function workerModule(name: string): URL {
  const ending = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  return new URL(`../../workers/${name}${ending}`, import.meta.url);
}
