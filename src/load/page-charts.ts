import type { LoadDocument } from "./document.ts";
import type { CurvePoint } from "./latencies.ts";
import { markup, type Markup } from "./markup.ts";
import { linearAxis, logAxis, plot, type Axis, type PlotPoint } from "./plot.ts";
import type { TimelineRow } from "./timeline.ts";
import { SUSTAINED_SHARE, type SweepStep } from "./sweep.ts";

/** Every chart is drawn twice, since a drawing that shrinks takes its letters with it. */
interface Size {
  readonly width: number;
  readonly height: number;
  readonly ticks: number;
}

const twice = (draw: (size: Size) => Markup): Markup =>
  markup`<div class="wide">${draw({ width: 1080, height: 380, ticks: 10 })}</div>
<div class="narrow">${draw({ width: 358, height: 300, ticks: 4 })}</div>`;

const flat = ({ width, height, ticks }: Size): Size => ({ width, height: Math.round(height * 0.62), ticks });

export const whole = (value: number): string => Math.round(value).toLocaleString("en-US");

/** Short enough for an axis. */
const msLabel = (ms: number): string => {
  if (ms >= 1_000) return `${trim(ms / 1_000)} s`;
  return ms >= 1 ? `${trim(ms)} ms` : `${trim(ms * 1_000)} µs`;
};

const rateLabel = (rate: number): string => (rate >= 10_000 ? `${trim(rate / 1_000)}k` : trim(rate));

const trim = (value: number): string => Number(value.toPrecision(3)).toLocaleString("en-US");

const present = (values: readonly (number | null)[]): number[] => values.filter((value) => value !== null);

// --- percentiles ----------------------------------------------------------------------------------------------------

/** The axis shows the rest: each step to the right holds a tenth of what is left. */
const NINES = [
  { at: 1, label: "0 %" },
  { at: 10, label: "90 %" },
  { at: 100, label: "99 %" },
  { at: 1_000, label: "99.9 %" },
  { at: 10_000, label: "99.99 %" },
  { at: 100_000, label: "99.999 %" },
];

export function percentileChart({ curves }: LoadDocument): Markup {
  const lines = [
    { look: "lag", curve: curves.generatorLag },
    { look: "service", curve: curves.service },
    { look: "acknowledged", curve: curves.acknowledged },
    { look: "completed", curve: curves.completed },
  ];
  const rest = ({ percentile }: CurvePoint): number => 100 / Math.max(100 - percentile, 1e-6);
  const points = lines.flatMap(({ curve }) => curve);
  const most = points.reduce((high, point) => Math.max(high, rest(point)), 10);
  const x: Axis = { from: 1, to: most, log: true, ticks: NINES.filter(({ at }) => at <= most * 1.01) };
  const y = logAxis(
    points.map(({ ms }) => ms),
    msLabel,
  );
  return twice(({ width, height }) =>
    plot({
      width,
      height,
      x: width < 500 ? { ...x, ticks: x.ticks.filter((_, index) => index % 2 === 0) } : x,
      y,
      series: lines.map(({ look, curve }) => ({
        look,
        points: curve.map((point) => ({ x: rest(point), y: point.ms })),
      })),
      label: "Latency for each percentile, on logarithmic axes; the table below has the figures.",
    }),
  );
}

// --- seconds --------------------------------------------------------------------------------------------------------

/** A single point makes no line. */
const DOTS_MAX = 20;

/** What came after the last arrival is in the table: a rate that falls to nothing there says nothing. */
const measured = ({ timeline, conditions }: LoadDocument): readonly TimelineRow[] =>
  timeline.filter(({ second }) => second < conditions.durationS);

export function rateChart(load: LoadDocument): Markup {
  const timeline = measured(load);
  const dots = timeline.length <= DOTS_MAX;
  const failed = timeline.map(({ errors, notSent }) =>
    Object.values(errors).reduce((sum, count) => sum + count, notSent),
  );
  const most = Math.max(1, ...timeline.flatMap(({ offered, completed }) => [offered, completed]), ...failed);
  const points = (value: (row: TimelineRow) => number): PlotPoint[] =>
    timeline.map((row) => ({ x: row.second, y: value(row) }));
  const problems = failed.some((count) => count > 0)
    ? [{ look: "problem", points: failed.map((count, second) => ({ x: second, y: count })) }]
    : [];
  return twice((size) =>
    plot({
      ...flat(size),
      x: secondsAxis(timeline.length, size.ticks),
      y: linearAxis(most, rateLabel, 4),
      series: [
        { look: "offered", points: points(({ offered }) => offered) },
        { look: "completed", dots, points: points(({ completed }) => completed) },
        ...problems,
      ],
      label: "Requests offered and completed in each second.",
    }),
  );
}

export function latencyChart(load: LoadDocument): Markup {
  const timeline = measured(load);
  const dots = timeline.length <= DOTS_MAX;
  const y = logAxis(present(timeline.flatMap(({ p50, p99 }) => [p50, p99])), msLabel);
  return twice((size) =>
    plot({
      ...flat(size),
      x: secondsAxis(timeline.length, size.ticks),
      y,
      series: [
        { look: "acknowledged", dots, points: timeline.map(({ second, p50 }) => ({ x: second, y: p50 })) },
        { look: "completed", dots, points: timeline.map(({ second, p99 }) => ({ x: second, y: p99 })) },
      ],
      label: "50th and 99th percentile of the latency of what was planned in each second.",
    }),
  );
}

function secondsAxis(seconds: number, ticks: number): Axis {
  const last = Math.max(1, seconds - 1);
  const axis = linearAxis(last, (value) => `${trim(value)} s`, Math.min(ticks, last));
  return { ...axis, to: last, ticks: axis.ticks.filter(({ at }) => at <= last && Number.isInteger(at)) };
}

// --- the sweep ------------------------------------------------------------------------------------------------------

export function sweepCharts(steps: readonly SweepStep[], p99Ms: number, knee: number | null): Markup {
  // Of a rate that was tried twice, the second try decided.
  const decisive = [...new Map(steps.map((step) => [step.ratePerSecond, step])).values()];
  const sorted = decisive.toSorted((one, other) => one.ratePerSecond - other.ratePerSecond);
  const x = logAxis(
    sorted.map(({ ratePerSecond }) => ratePerSecond),
    rateLabel,
  );
  const rates = sorted.flatMap(({ ratePerSecond, completedPerSecond }) => [
    ratePerSecond,
    completedPerSecond,
  ]);
  const y = logAxis(rates, rateLabel);
  const latencies = logAxis([...present(sorted.flatMap(({ p50, p99 }) => [p50, p99])), p99Ms], msLabel);
  const point = (step: SweepStep, value: number | null): PlotPoint => ({
    x: step.ratePerSecond,
    y: value,
    hollow: !step.sustained,
  });
  const marks =
    knee === null ? [] : [{ axis: "x" as const, at: knee, look: "knee", label: `knee ${whole(knee)}/s` }];
  const ends = [sorted.at(0), sorted.at(-1)].flatMap((step) => (step ? [step.ratePerSecond] : []));
  const completed = twice((size) =>
    plot({
      ...flat(size),
      x: few(x, size),
      y,
      marks,
      series: [
        { look: "offered", points: ends.map((rate) => ({ x: rate, y: rate * SUSTAINED_SHARE })) },
        { look: "completed", dots: true, points: sorted.map((step) => point(step, step.completedPerSecond)) },
      ],
      label: "Completed rate for each offered rate; the table below has the figures.",
    }),
  );
  const latency = twice((size) =>
    plot({
      ...flat(size),
      x: few(x, size),
      y: latencies,
      marks: [
        { axis: "y", at: p99Ms, look: "bound", label: "bound" },
        ...marks.map((mark) => ({ ...mark, label: "" })),
      ],
      series: [
        { look: "acknowledged", dots: true, points: sorted.map((step) => point(step, step.p50)) },
        { look: "completed", dots: true, points: sorted.map((step) => point(step, step.p99)) },
      ],
      label: "50th and 99th percentile of the latency for each offered rate.",
    }),
  );
  return markup`<h3>Completed a second</h3>
${legend(["completed", "completed"], ["offered", "97 % of what was offered"])}
${completed}
<h3>Latency</h3>
${legend(["completed", "99th percentile"], ["acknowledged", "50th percentile"])}
${latency}`;
}

/** On a narrow page the labels would run into each other. */
const few = (axis: Axis, { width }: Size): Axis =>
  width > 500 || axis.ticks.length < 6
    ? axis
    : { ...axis, ticks: axis.ticks.filter((_, index) => index % 2 === 0) };

export const legend = (...keys: readonly (readonly [look: string, text: string])[]): Markup =>
  markup`<ul class="keys">${keys.map(([look, text]) => markup`<li><i class="${look}"></i>${text}</li>`)}</ul>`;
