import { parseArgs } from "node:util";
import { fault } from "mcplusplus";

/** What can be said on the command line; the defaults are those under which the project's figures are taken. */
export interface Flags {
  readonly json: boolean;
  /** Rounds of measurements in turns, the warm-up not counted. */
  readonly rounds: number;
  /** Submits of one sample of the suite `queue`; cycles are half as many. */
  readonly tasks: number;
  /** Tasks in the long queue of the suite `queue`. */
  readonly waiting: number;
  /** How long the suite `memory` keeps the load up. */
  readonly minutes: number;
}

type Figure = Exclude<keyof Flags, "json">;

interface Range {
  readonly otherwise: number;
  readonly least: number;
  /** Default: whole numbers only. */
  readonly parts?: boolean;
}

/** Where a suite needs more than the least here, it says so itself. */
const RANGES: Readonly<Record<Figure, Range>> = {
  rounds: { otherwise: 5, least: 1 },
  tasks: { otherwise: 20_000, least: 10 },
  waiting: { otherwise: 1_000_000, least: 1 },
  minutes: { otherwise: 3, least: 0.1, parts: true },
};

/**
 * @param suites by name, with the flags that each takes beside `--json`
 * @throws INVALID_ARGUMENT, UNKNOWN_NAME
 */
export function readFlags<Suite extends string>(
  args: readonly string[],
  suites: Readonly<Record<Suite, readonly Figure[]>>,
): { readonly suite: Suite; readonly flags: Flags } {
  const { positionals, tokens } = parseArgs({
    args: [...args],
    allowPositionals: true,
    strict: false,
    tokens: true,
    options: Object.fromEntries(Object.keys(RANGES).map((name) => [name, { type: "string" as const }])),
  });
  const names = Object.keys(suites) as Suite[];
  const suite = names.find((name) => name === positionals[0]);
  if (suite === undefined) {
    throw fault("UNKNOWN_NAME", { kind: "suite", name: positionals[0] ?? "", known: names });
  }
  const given: Partial<Record<Figure, number>> = {};
  let json = false;
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const figure = suites[suite].find((name) => name === token.name);
    if (figure !== undefined) given[figure] = numberOf(figure, token.value);
    else if (token.name === "json" && token.value === undefined) json = true;
    else {
      const allowed = ["json", ...suites[suite]].map((name) => `--${name}`).join(", ");
      throw invalid(token.rawName, `no flag of the suite ${suite}`, allowed);
    }
  }
  const [, surplus] = positionals;
  if (surplus !== undefined) throw invalid(`"${surplus}"`, "too many", "one suite at a time");
  const defaults = Object.fromEntries(
    Object.entries(RANGES).map(([name, { otherwise }]) => [name, otherwise]),
  ) as Record<Figure, number>;
  return { suite, flags: { json, ...defaults, ...given } };
}

function numberOf(figure: Figure, text: string | undefined): number {
  const { least, parts = false } = RANGES[figure];
  const value = Number(text);
  if (text !== undefined && text !== "" && value >= least && (parts || Number.isSafeInteger(value)))
    return value;
  const allowed = `${parts ? "a number" : "a whole number"} from ${least}`;
  throw invalid(`--${figure}`, text === undefined ? "without a value" : `"${text}"`, allowed);
}

const invalid = (argument: string, got: string, allowed: string): Error =>
  fault("INVALID_ARGUMENT", { argument, got, allowed });
