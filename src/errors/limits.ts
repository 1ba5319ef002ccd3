import { FACE_LIMITS } from "./face-limits.ts";
import { GROUND_LIMITS } from "./ground-limits.ts";
import { SERVICE_LIMITS } from "./service-limits.ts";
import { THREAD_LIMITS } from "./thread-limits.ts";
import type { LimitTable } from "./limit.ts";

/**
 * Every bound of the system, each number once: room by room, in the order of the layers, from the bottom. The rows stand
 * in one file for each stretch of lines. They are in the lowest room so that every room can refer to its own bounds by
 * name; `docs/limits.md` is made from them. Numbers that only tune (how long to spin, how many frames are handled in a
 * turn) stay with the code they tune: no one runs against them.
 */
export const LIMIT_TABLE = {
  ...GROUND_LIMITS,
  ...THREAD_LIMITS,
  ...SERVICE_LIMITS,
  ...FACE_LIMITS,
} as const satisfies LimitTable;

type ValuesOf<T> = { readonly [Room in keyof T]: { readonly [Name in keyof T[Room]]: number } };

/**
 * Every bound by room and name, such as `LIMITS.queue.inputBytes`. At a bound a request is refused with a code, or the
 * surplus is cut, or left out and counted, as `docs/limits.md` says of each; nothing grows without end.
 */
export const LIMITS = valuesOf(LIMIT_TABLE);

function valuesOf<T extends LimitTable>(table: T): ValuesOf<T> {
  const rooms = Object.entries(table).map(([room, limits]) => {
    const values = Object.entries(limits).map(([name, { value }]) => [name, value] as const);
    return [room, Object.freeze(Object.fromEntries(values))] as const;
  });
  return Object.freeze(Object.fromEntries(rooms)) as ValuesOf<T>;
}
