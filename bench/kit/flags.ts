import { parseArgs } from "node:util";

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

export function readFlags(args: readonly string[]): { readonly suite: string; readonly flags: Flags } {
  const { positionals, values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      rounds: { type: "string", default: "5" },
      tasks: { type: "string", default: "20000" },
      waiting: { type: "string", default: "1000000" },
      minutes: { type: "string", default: "3" },
    },
  });
  return {
    suite: positionals[0] ?? "",
    flags: {
      json: values.json,
      rounds: positive("rounds", values.rounds),
      tasks: positive("tasks", values.tasks),
      waiting: positive("waiting", values.waiting),
      minutes: positive("minutes", values.minutes),
    },
  };
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new Error(`--${flag} is a number above 0, not "${text}"`);
}
