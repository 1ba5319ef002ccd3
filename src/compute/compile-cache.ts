import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Where threads keep the code that Node makes of TypeScript modules. Without it every new thread strips the types
 * anew, by a compiler in WebAssembly: that takes 70 ms of the 110 that a thread needs to start, and threads that come
 * and go while others run that compiler can crash the whole process (seen as SIGSEGV in V8 13.6,
 * `Runtime_TierUpWasmToJSWrapper`). With it only the first thread does.
 */
export interface CompileCache {
  /** For the threads; undefined = as it is. */
  readonly env: NodeJS.ProcessEnv | undefined;
  remove(): Promise<void>;
}

const TYPESCRIPT = /\.[cm]?ts$/;
const VARIABLE = "NODE_COMPILE_CACHE";

/**
 * A directory of its own, since whoever can write there can change what the threads run.
 *
 * @param modules URLs of what the threads import; without TypeScript among it there is nothing to gain
 * @param env whose own choice of a directory stands
 * @see https://nodejs.org/docs/latest-v24.x/api/module.html#module-compile-cache
 */
export async function openCompileCache(
  modules: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  parent: string = tmpdir(),
): Promise<CompileCache> {
  const none: CompileCache = { env: undefined, remove: () => Promise.resolve() };
  if (env[VARIABLE] !== undefined || !modules.some((url) => TYPESCRIPT.test(url))) return none;
  try {
    const directory = await mkdtemp(join(parent, "mcplusplus-compiled-"));
    return {
      env: { ...env, [VARIABLE]: directory },
      // A thread that is just ending may still be writing; what is left then is the system's to clean up.
      remove: () => rm(directory, { recursive: true, force: true, maxRetries: 5 }).catch(() => {}),
    };
  } catch {
    // No room for temporary files: threads start slower, and that is all.
    return none;
  }
}
