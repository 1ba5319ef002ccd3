import { LIMITS } from "../errors/index.ts";
import { checkInteger, checkKeys, checkName, invalidArgument, shortText } from "../schema/index.ts";

/**
 * Where a tool can run: `general` on the host's event loop, so many calls at a time; `p2p` on the thread of the actor that
 * owns what the call is about, which the host only asks; `compute` on a thread of the queue's pool, alone.
 */
export const RUNTIMES = ["general", "p2p", "compute"] as const;
export type Runtime = (typeof RUNTIMES)[number];

/** What a tool may name: `auto` leaves it to the detection. */
const NAMED_RUNTIMES = [...RUNTIMES, "auto"] as const;

/** The names that the runtimes had in the system before this one. */
const ALIASES: ReadonlyMap<unknown, Runtime> = new Map([
  ["fastapi", "general"],
  ["trio", "p2p"],
]);

const RETRY_POLICIES = ["none", "linear", "exponential"] as const;
export type RetryPolicy = (typeof RETRY_POLICIES)[number];

/** How a call of a tool is carried out. */
export interface ToolMetadata {
  /** Tools of one category are listed and measured together. */
  readonly category: string;
  readonly runtime: Runtime | "auto";
  /** 0 to 10; a higher number matters more. */
  readonly priority: number;
  /** How long a call may take, unless its arguments say that it waits longer: 1 to 3,600,000 ms. */
  readonly timeoutMs: number;
  /** Whether a call that failed in a way that may pass is made again, and how the pauses grow. */
  readonly retryPolicy: RetryPolicy;
  /** Doing it twice is as doing it once; only then it is ever repeated. */
  readonly idempotent: boolean;
  /** Works on a peer's data only. */
  readonly requiresPeers: boolean;
  readonly ioIntensive: boolean;
  readonly cpuIntensive: boolean;
  readonly memoryIntensive: boolean;
}

/** As it is written: what is left out has its default, and a runtime may go by its old name. */
export type ToolMetadataInput = Partial<Omit<ToolMetadata, "runtime">> & {
  readonly runtime?: Runtime | "auto" | "fastapi" | "trio";
};

const DEFAULTS: ToolMetadata = Object.freeze({
  category: "general",
  runtime: "auto",
  priority: 5,
  timeoutMs: LIMITS.router.timeoutMs,
  retryPolicy: "none",
  idempotent: false,
  requiresPeers: false,
  ioIntensive: false,
  cpuIntensive: false,
  memoryIntensive: false,
});

/**
 * Fills in what was left out, and refuses what no call could be carried out by.
 *
 * @param name of the tool, for the sentence
 * @throws INVALID_ARGUMENT
 */
export function toolMetadata(name: string, given: ToolMetadataInput = {}): ToolMetadata {
  const argument = (field: string): string => `metadata.${field} of the tool "${name}"`;
  checkKeys(`metadata of the tool "${name}"`, given, Object.keys(DEFAULTS));
  const merged = { ...DEFAULTS, ...given };
  const runtime = runtimeOf(argument("runtime"), merged.runtime);
  const { category, priority, timeoutMs, retryPolicy } = merged;
  checkName(argument("category"), category, LIMITS.router.toolChars);
  checkInteger(argument("priority"), priority, 0, PRIORITY_MAX);
  checkInteger(argument("timeoutMs"), timeoutMs, 1, LIMITS.router.timeoutMsMax);
  checkWord(argument("retryPolicy"), retryPolicy, RETRY_POLICIES);
  for (const field of FLAGS) {
    const flag: unknown = merged[field];
    if (typeof flag !== "boolean") throw invalidArgument(argument(field), shortText(flag), "true or false");
  }
  return Object.freeze({ ...merged, runtime });
}

/** What its metadata decide alone: the runtime that they name; else `compute` where the host would have much to do. */
export function decidedRuntime({ runtime, cpuIntensive, memoryIntensive }: ToolMetadata): Runtime | "auto" {
  return runtime === "auto" && (cpuIntensive || memoryIntensive) ? "compute" : runtime;
}

const PRIORITY_MAX = 10;

const FLAGS = ["idempotent", "requiresPeers", "ioIntensive", "cpuIntensive", "memoryIntensive"] as const;

/** A program without types passes anything. */
function runtimeOf(argument: string, given: unknown): ToolMetadata["runtime"] {
  const meant = ALIASES.get(given);
  if (meant !== undefined) return meant;
  checkWord(argument, given, NAMED_RUNTIMES);
  return given;
}

function checkWord<W extends string>(
  argument: string,
  value: unknown,
  words: readonly W[],
): asserts value is W {
  if (words.includes(value as W)) return;
  throw invalidArgument(argument, shortText(value), `one of ${words.join(", ")}`);
}
