import type { Limit, LimitTable } from "../../src/errors/limit.ts";
import { LIMIT_TABLE } from "../../src/errors/limits.ts";
import { origin, table } from "./page.ts";

/** `docs/limits.md`: every limit with its value, its unit, what it bounds and the option that overrides it. */
export const limitsPage = (): string => limitsText(LIMIT_TABLE);

export function limitsText(limits: LimitTable): string {
  return [
    origin("src/errors/limits.ts"),
    "# Limits",
    "",
    "Nothing grows without a bound. At a limit the request is refused with a code from [errors.md](errors.md), or the",
    "surplus is cut, or left out and counted. In code a limit is `LIMITS.<room>.<limit>`; an option, where one is named,",
    "overrides it.",
    "",
    ...Object.entries(limits).flatMap(([room, rows]) => [`## ${room}`, "", roomTable(rows), ""]),
  ].join("\n");
}

function roomTable(limits: Readonly<Record<string, Limit>>): string {
  const rows = Object.entries(limits).map(([name, { value, unit, means, option }]) => [
    `\`${name}\``,
    value.toLocaleString("en-US"),
    unit,
    means,
    option === undefined ? "fixed" : `\`${option}\``,
  ]);
  return table(["limit", "value", "unit", "meaning", "option"], rows);
}
