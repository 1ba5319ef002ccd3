import { lstatSync, realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { fault, sentenceOf } from "../errors/index.ts";

/**
 * Where a handler may read and write. The check follows every symbolic link that exists at the time; it does not
 * guard against someone who swaps a directory for a link between the check and the use, since handlers run with the
 * rights of the process anyway.
 */

/**
 * The real, absolute path of `path`, which need not exist yet.
 *
 * @param path relative to the first root, or absolute
 * @param roots absolute directories
 * @throws INVALID_ARGUMENT when it leads outside every root, and then the message names them
 */
export function allowedPath(path: string, roots: readonly string[]): string {
  const refuse = (why: string): never => {
    const allowed = roots.length === 0 ? "nothing: no directory is opened to handlers" : roots.join(", ");
    throw fault("INVALID_ARGUMENT", {
      argument: "path",
      got: `"${path}", which ${why}`,
      allowed: `a path inside ${allowed}`,
    });
  };
  const [first] = roots;
  if (first === undefined) return refuse("is in no allowed directory");
  if (path.includes("\0")) return refuse("holds a null character");

  const real = realOf(resolve(first, path));
  if ("why" in real) return refuse(real.why);
  return roots.some((root) => isInside(real.path, rootOf(root))) ? real.path : refuse("leads outside");
}

/** Symbolic links can only hide in what exists: the deepest existing ancestor is made real, the rest is kept. */
function realOf(absolute: string): { path: string } | { why: string } {
  const missing: string[] = [];
  for (let at = absolute; ; at = dirname(at)) {
    // The root of the file system always exists, so the climb ends.
    if (exists(at)) {
      try {
        return { path: join(realpathSync(at), ...missing) };
      } catch (error) {
        // It is there but leads nowhere: writing through such a link would create its target, wherever that is.
        return { why: `cannot be followed (${sentenceOf(error)})` };
      }
    }
    missing.unshift(basename(at));
  }
}

function exists(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function rootOf(root: string): string {
  try {
    return realpathSync(root);
  } catch {
    return resolve(root);
  }
}

function isInside(path: string, root: string): boolean {
  const way = relative(root, path);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}
