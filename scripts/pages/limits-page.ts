import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT, origin, table } from "./page.ts";

/** Where the one table of limits is exported as `LIMITS`. */
const LIMITS_FILE = "src/errors/limits.ts";

interface Limit {
  readonly value: number;
  readonly unit: string;
  readonly means: string;
  /** The option that overrides it; absent means that it is fixed. */
  readonly option?: string;
}

/** `docs/limits.md`: every limit with its value, its unit, what it bounds and the option that overrides it. */
export async function limitsPage(): Promise<string> {
  const path = join(ROOT, LIMITS_FILE);
  if (!existsSync(path)) throw new TypeError(`${LIMITS_FILE} does not exist; it must export LIMITS`);
  const { LIMITS } = (await import(path)) as { LIMITS?: Readonly<Record<string, Limit>> };
  if (LIMITS === undefined) throw new TypeError(`${LIMITS_FILE} does not export LIMITS`);
  return limitsText(LIMITS);
}

export function limitsText(limits: Readonly<Record<string, Limit>>): string {
  const rows = Object.entries(limits).map(([name, { value, unit, means, option }]) => [
    `\`${name}\``,
    value.toLocaleString("en-US"),
    unit,
    means,
    option === undefined ? "fixed" : `\`${option}\``,
  ]);
  return [
    origin(LIMITS_FILE),
    "# Limits",
    "",
    "Nothing grows without a bound. At a limit the request is refused with a code from [errors.md](errors.md); nothing is",
    "dropped without being counted. Each limit is tested just below, just above, and, where an option names it, overridden.",
    "",
    table(["limit", "value", "unit", "meaning", "option"], rows),
    "",
  ].join("\n");
}
