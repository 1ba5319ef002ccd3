/** `mcplusplus://runs/a%2Fb/result` and its like: a scheme of our own, and names that may hold anything. */
const SCHEME = "mcplusplus://";

/** The address of a resource. */
export const resourceUri = (...names: readonly string[]): string =>
  `${SCHEME}${names.map((name) => encodeURIComponent(name.toWellFormed())).join("/")}`;

/**
 * The names in an address, or undefined when it is none of ours. Not read as a URL: that would take `..`, which is a name
 * like others, for a way up.
 */
export function namesOf(uri: string): string[] | undefined {
  if (!uri.startsWith(SCHEME)) return undefined;
  try {
    return uri.slice(SCHEME.length).split("/").map(decodeURIComponent);
  } catch {
    return undefined;
  }
}
