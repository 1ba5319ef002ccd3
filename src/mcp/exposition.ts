import type { ToolFigures } from "../router/index.ts";
import { METRICS, type MetricsSnapshot } from "../telemetry/index.ts";
import type { ListenerFigures } from "./http-listener.ts";

/** What is told; null: the system is not open. */
export interface Exposed {
  readonly metrics: MetricsSnapshot | null;
  readonly tools: readonly ToolFigures[];
  /** By the name of a tool. */
  readonly categoryOf: (tool: string) => string;
  readonly listeners: Readonly<Record<string, ListenerFigures>>;
}

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number, suffix?: string];

/**
 * All figures as text. Names of our own begin with `mcplusplus_`; those that begin with `mcp_` are the ones that the
 * system before this one had.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */
export function exposition({ metrics, tools, categoryOf, listeners }: Exposed): string {
  return [
    ...(metrics === null ? [] : kernelFamilies(metrics)),
    ...toolFamilies(tools, categoryOf),
    ...listenerFamilies(Object.entries(listeners)),
    "",
  ].join("\n");
}

function kernelFamilies({ counters, gauges, histograms }: MetricsSnapshot): string[] {
  const plain = { ...counters, ...gauges };
  return Object.entries(METRICS).flatMap(([key, { kind, name, means }]) => {
    if (kind !== "histogram") return family(name, kind, means, [[{}, plain[key as keyof typeof plain]]]);
    const { count, sum, p50, p95, p99 } = histograms[key as keyof typeof histograms];
    return family(name, "summary", means, summary({}, { count, sum, p50, p95, p99 }));
  });
}

function toolFamilies(tools: readonly ToolFigures[], categoryOf: Exposed["categoryOf"]): string[] {
  const labelsOf = ({ tool }: ToolFigures): Labels => ({ category: categoryOf(tool), tool });
  const calls = tools.flatMap((each): Sample[] => [
    [{ ...labelsOf(each), status: "success" }, each.calls - each.failures],
    [{ ...labelsOf(each), status: "error" }, each.failures],
  ]);
  const latencies = tools.flatMap((each) => {
    const seconds = { p50: each.p50Ms / 1_000, p95: each.p95Ms / 1_000, p99: each.p99Ms / 1_000 };
    return summary(labelsOf(each), {
      count: each.calls,
      sum: (each.meanMs * each.calls) / 1_000,
      ...seconds,
    });
  });
  return [
    ...family("mcp_tool_calls_total", "counter", "Calls of tools.", calls),
    ...family(
      "mcp_tool_latency_seconds",
      "summary",
      "How long calls took, the latest 1,000 of each tool.",
      latencies,
    ),
  ];
}

function listenerFamilies(listeners: readonly (readonly [string, ListenerFigures])[]): string[] {
  const each = (value: (figures: ListenerFigures) => number): Sample[] =>
    listeners.map(([listener, figures]) => [{ listener }, value(figures)]);
  const rate = ({ errors, requests }: ListenerFigures): number => (requests === 0 ? 0 : errors / requests);
  return [
    ...family(
      "mcp_active_connections",
      "gauge",
      "Connections over HTTP.",
      each(({ connections }) => connections),
    ),
    ...family(
      "mcp_requests_total",
      "counter",
      "Requests over HTTP.",
      each(({ requests }) => requests),
    ),
    ...family(
      "mcp_requests_refused_total",
      "counter",
      "Of them, those that were refused.",
      each(({ refused }) => refused),
    ),
    ...family("mcp_error_rate", "gauge", "Share of requests that the server failed to answer.", each(rate)),
    ...family(
      "mcp_uptime_seconds",
      "gauge",
      "Since the listener was opened.",
      each(({ uptimeMs }) => uptimeMs / 1_000),
    ),
  ];
}

interface Spread {
  readonly count: number;
  readonly sum: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

function summary(labels: Labels, { count, sum, p50, p95, p99 }: Spread): Sample[] {
  const quantiles = Object.entries({ "0.5": p50, "0.95": p95, "0.99": p99 });
  return [
    ...quantiles.map(([quantile, value]): Sample => [{ ...labels, quantile }, value ?? Number.NaN]),
    [labels, sum, "_sum"],
    [labels, count, "_count"],
  ];
}

function family(name: string, type: string, means: string, samples: readonly Sample[]): string[] {
  if (samples.length === 0) return [];
  return [
    `# HELP ${name} ${means}`,
    `# TYPE ${name} ${type}`,
    ...samples.map(
      ([labels, value, suffix = ""]) => `${name}${suffix}${labelText(labels)} ${valueText(value)}`,
    ),
  ];
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

const escaped = (text: string): string =>
  text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

const valueText = (value: number): string => (Number.isNaN(value) ? "NaN" : String(value));
