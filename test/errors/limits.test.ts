import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import type { Limit } from "../../src/errors/limit.ts";
import { LIMIT_TABLE } from "../../src/errors/limits.ts";

const rows = Object.entries(LIMIT_TABLE).flatMap(([room, limits]) =>
  Object.entries<Limit>(limits).map(([name, limit]) => ({ room, name, limit })),
);

describe("the table of limits", () => {
  it.each(rows)("bounds $room.$name by a whole number with a unit and a meaning", ({ limit }) => {
    expect(limit.value).toSatisfy((value) => Number.isSafeInteger(value) && Number(value) > 0);
    expect(limit.unit).toMatch(/^[a-z]+$/);
    expect(limit.means).toMatch(/^[A-Z].*\.$/);
  });

  it("gives each limit's value by room and name, and lets no one change it", () => {
    const values: Readonly<Record<string, Readonly<Record<string, number>>>> = LIMITS;
    for (const { room, name, limit } of rows) expect(values[room]?.[name]).toBe(limit.value);
    expect(Object.keys(LIMITS)).toEqual(Object.keys(LIMIT_TABLE));
    expect([LIMITS, ...Object.values(LIMITS)].every((table) => Object.isFrozen(table))).toBe(true);
  });
});
