/**
 * In a clone `workers/` lies beside `src/`, two folders above this file. In the built package the build has put this
 * module into one of a few files, each of them one folder deep.
 */
const SOURCES = import.meta.url.endsWith(".ts");
const WORKERS = SOURCES ? "../../workers/" : "../workers/";

/**
 * The URL of an entry in `workers/`. The one place that knows that folder: rooms refer to what runs on a thread by
 * URL only.
 */
export function workerModule(name: string): URL {
  return new URL(`${WORKERS}${name}${SOURCES ? ".ts" : ".js"}`, import.meta.url);
}
