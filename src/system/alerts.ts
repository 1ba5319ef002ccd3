import { fault } from "../errors/index.ts";
import { checkNumber, nearestFirst } from "../schema/index.ts";

export type Severity = "warning" | "critical";

/** What was measured of one thing; null: not measured, or too few to tell. */
export interface Vital {
  readonly value: number | null;
  /** How many the value was made from; absent: it is one reading. */
  readonly samples?: number;
}

interface Rule {
  readonly severity: Severity;
  readonly component: string;
  /** Is it worse when it is higher, or when it is lower? */
  readonly worse: "above" | "below";
  readonly threshold: number;
  readonly unit: string;
  /** With no more samples nothing is said. */
  readonly moreThan: number;
  readonly means: string;
}

const rule = (
  severity: Severity,
  component: string,
  worse: Rule["worse"],
  threshold: number,
  unit: string,
  means: string,
  moreThan = 0,
): Rule => Object.freeze({ severity, component, worse, threshold, unit, moreThan, means });

/** The closed table: by name, what is looked at, and from where on it is worth a word. Each threshold can be changed. */
export const ALERT_RULES = Object.freeze({
  cpu_high: rule("warning", "machine", "above", 80, "percent", "processors of the machine that are busy"),
  memory_high: rule("warning", "machine", "above", 85, "percent", "memory of the machine that is in use"),
  disk_high: rule(
    "warning",
    "machine",
    "above",
    90,
    "percent",
    "the disk under the data directory that is in use",
  ),
  process_memory_high: rule("warning", "process", "above", 1_024, "MB", "resident memory of this process"),
  error_rate_high: rule("critical", "tools", "above", 5, "percent", "calls of tools that failed", 10),
  response_time_high: rule(
    "warning",
    "tools",
    "above",
    5_000,
    "ms",
    "mean time of the latest calls of tools",
    10,
  ),
  latency_high: rule(
    "warning",
    "tools",
    "above",
    20,
    "ms",
    "95th percentile of calls that actors answer",
    10,
  ),
  cache_hit_rate_low: rule("warning", "cache", "below", 50, "percent", "look-ups that found something", 100),
  task_success_low: rule(
    "warning",
    "queue",
    "below",
    90,
    "percent",
    "tasks that completed, of those that ended",
    10,
  ),
  queue_long: rule("warning", "queue", "above", 500, "tasks", "tasks that wait"),
  workflow_failures_high: rule(
    "warning",
    "workflows",
    "above",
    20,
    "percent",
    "workflows that failed, of those that ended",
    5,
  ),
  discovery_failures_high: rule(
    "warning",
    "peers",
    "above",
    30,
    "percent",
    "searches for peers that failed",
    10,
  ),
  bootstrap_failures_high: rule(
    "critical",
    "bootstrap",
    "above",
    50,
    "percent",
    "attempts to join the network that failed",
    3,
  ),
});

export type AlertName = keyof typeof ALERT_RULES;
export const ALERT_NAMES = Object.freeze(Object.keys(ALERT_RULES) as AlertName[]);

/** What is not given is not known. */
export type Vitals = Readonly<Partial<Record<AlertName, Vital>>>;
export type Thresholds = Readonly<Partial<Record<AlertName, number>>>;

export interface Alert {
  readonly name: AlertName;
  readonly severity: Severity;
  readonly component: string;
  readonly value: number;
  readonly threshold: number;
  readonly unit: string;
  /** One sentence. */
  readonly message: string;
}

/**
 * What is worth a word, in the order of the table. Strictly above or below: a value at its threshold is none. It holds no
 * state: an alert lasts as long as what it is about.
 */
export function alertsOf(vitals: Vitals, thresholds: Thresholds = {}): Alert[] {
  return ALERT_NAMES.flatMap((name): Alert[] => {
    const { severity, component, worse, unit, moreThan, means, ...standard } = ALERT_RULES[name];
    const { value = null, samples = Infinity } = vitals[name] ?? {};
    const threshold = thresholds[name] ?? standard.threshold;
    if (value === null || samples <= moreThan) return [];
    if (worse === "above" ? value <= threshold : value >= threshold) return [];
    const message = `${means}: ${rounded(value)} ${unit}, ${worse} ${rounded(threshold)}`;
    return [{ name, severity, component, value, threshold, unit, message }];
  });
}

/** @throws UNKNOWN_NAME; INVALID_ARGUMENT for what is no number from 0 */
export function checkThresholds(thresholds: Readonly<Record<string, unknown>>): Thresholds {
  for (const [name, value] of Object.entries(thresholds)) {
    if (!Object.hasOwn(ALERT_RULES, name))
      throw fault("UNKNOWN_NAME", { kind: "alert", name, known: nearestFirst(name, ALERT_NAMES) });
    checkNumber(`the threshold of ${name}`, value as number, 0, Number.MAX_SAFE_INTEGER);
  }
  return thresholds;
}

const rounded = (value: number): string => String(Math.round(value * 10) / 10);
