import type { SystemOptions } from "./options.ts";
import type { System } from "./system.ts";

/**
 * Opens a system: eight actors on threads of their own under one supervisor. Close it, or let `await using` do so.
 *
 * The machinery is loaded when the first system is opened, because this module is also imported by task modules on
 * every handler thread, which never open one.
 *
 * @throws INVALID_ARGUMENT, STORE_OWNED, STORE_NEWER, STORE_CORRUPT, FILE_UNWRITABLE, ACTOR_START_FAILED; with `attach`
 *   also why the directory's owner refuses: PROTOCOL_MISMATCH, MODULE_INVALID, UNAVAILABLE
 */
export async function openSystem(options: SystemOptions = {}): Promise<System> {
  const { System } = await import("./system.ts");
  return System.open(options);
}
