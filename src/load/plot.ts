import { markup, type Markup } from "./markup.ts";

/** Lines over two axes as SVG. Colours are classes, so that the page decides them for light and dark. */

export interface Tick {
  readonly at: number;
  readonly label: string;
}

export interface Axis {
  readonly from: number;
  readonly to: number;
  readonly log: boolean;
  readonly ticks: readonly Tick[];
}

export interface Series {
  /** The class that gives the colour. */
  readonly look: string;
  readonly points: readonly PlotPoint[];
  /** Dots at the points; without, a line alone. */
  readonly dots?: boolean;
}

export interface PlotPoint {
  readonly x: number;
  /** Null is a gap, not a guess. */
  readonly y: number | null;
  readonly hollow?: boolean;
}

export interface Plot {
  readonly width: number;
  readonly height: number;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Straight lines across: a bound, a knee. */
  readonly marks?: readonly {
    readonly axis: "x" | "y";
    readonly at: number;
    readonly look: string;
    readonly label: string;
  }[];
  /** What a screen reader says. */
  readonly label: string;
}

/** Half of the longest label below fits to the right of the last tick. */
const MARGIN = { left: 56, right: 28, top: 12, bottom: 26 };

export function plot({ width, height, x, y, series, marks = [], label }: Plot): Markup {
  const right = width - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  const xAt = (value: number): number => round(MARGIN.left + shareOf(x, value) * (right - MARGIN.left));
  const yAt = (value: number): number => round(bottom - shareOf(y, value) * (bottom - MARGIN.top));
  const rows = y.ticks.map(
    ({ at, label: text }) => markup`<path class="grid" d="M${MARGIN.left} ${yAt(at)}H${right}"/>
<text class="tick" x="${MARGIN.left - 8}" y="${yAt(at) + 4}" text-anchor="end">${text}</text>`,
  );
  const columns = x.ticks.map(
    ({ at, label: text }) => markup`<path class="notch" d="M${xAt(at)} ${bottom}v4"/>
<text class="tick" x="${xAt(at)}" y="${height - 6}" text-anchor="middle">${text}</text>`,
  );
  const lines = series.map(
    ({ look, points, dots = false }) =>
      markup`<g class="line ${look}"><path d="${pathOf(points, xAt, yAt)}"/>${
        dots
          ? points.flatMap(({ x: px, y: py, hollow = false }) =>
              py === null
                ? []
                : [
                    markup`<circle class="${hollow ? "dot hollow" : "dot"}" cx="${xAt(px)}" cy="${yAt(py)}" r="3.5"/>`,
                  ],
            )
          : []
      }</g>`,
  );
  const crossing = marks.map(({ axis, at, look, label: text }) => {
    const line = axis === "y" ? `M${MARGIN.left} ${yAt(at)}H${right}` : `M${xAt(at)} ${MARGIN.top}V${bottom}`;
    // Text beside a line at the right edge would be cut off.
    const isFar = shareOf(x, at) > 0.6;
    const place =
      axis === "y"
        ? markup`x="${right - 4}" y="${yAt(at) - 5}" text-anchor="end"`
        : markup`x="${xAt(at) + (isFar ? -6 : 6)}" y="${MARGIN.top + 12}" text-anchor="${isFar ? "end" : "start"}"`;
    return markup`<g class="mark ${look}"><path d="${line}"/><text ${place}>${text}</text></g>`;
  });
  return markup`<svg role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" aria-label="${label}">
${rows}<path class="axis" d="M${MARGIN.left} ${bottom}H${right}"/>${columns}${crossing}${lines}
</svg>`;
}

function pathOf(
  points: readonly PlotPoint[],
  xAt: (value: number) => number,
  yAt: (value: number) => number,
): string {
  let path = "";
  let pen = "M";
  for (const { x, y } of points) {
    if (y !== null) path += `${pen}${xAt(x)} ${yAt(y)}`;
    pen = y === null ? "M" : "L";
  }
  return path;
}

/** Where a value stands on its axis, from 0 to 1; what lies outside stands at the end. */
function shareOf({ from, to, log }: Axis, value: number): number {
  const share = log ? Math.log(value / from) / Math.log(to / from) : (value - from) / (to - from);
  return Math.min(1, Math.max(0, share));
}

/** From 0 to a little above the greatest, with about five round numbers. */
export function linearAxis(greatest: number, text: (value: number) => string, ticks = 5): Axis {
  const top = greatest > 0 ? greatest : 1;
  const rough = top / ticks;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const count = Math.ceil(top / step);
  const numbers = Array.from({ length: count + 1 }, (_, index) => index * step);
  return { from: 0, to: count * step, log: false, ticks: numbers.map((at) => ({ at, label: text(at) })) };
}

/** Whole powers of ten around the values, with the fives and twos between them when there are few. */
export function logAxis(values: readonly number[], text: (value: number) => string): Axis {
  const positive = values.filter((value) => value > 0);
  const least = positive.reduce((low, value) => Math.min(low, value), Infinity);
  const most = positive.reduce((high, value) => Math.max(high, value), 0);
  if (most === 0) return { from: 1, to: 10, log: true, ticks: [] };
  const steps = [1, 2, 5, 10];
  const below = (value: number): number => {
    const power = 10 ** Math.floor(Math.log10(value));
    return power * (steps.findLast((factor) => factor * power <= value * 1.000_001) ?? 1);
  };
  const above = (value: number): number => {
    const power = 10 ** Math.floor(Math.log10(value));
    return power * (steps.find((factor) => factor * power >= value * 0.999_999) ?? 10);
  };
  const from = below(least);
  const to = above(most) > from ? above(most) : from * 10;
  const decades = Math.log10(to / from);
  const factors = decades > 3 ? [1] : decades > 1.6 ? [1, 3] : [1, 2, 5];
  const first = Math.floor(Math.log10(from));
  const powers = Array.from({ length: Math.ceil(decades) + 2 }, (_, index) => 10 ** (first + index));
  const ticks = powers
    .flatMap((power) => factors.map((factor) => factor * power))
    .filter((at) => at >= from * 0.999_999 && at <= to * 1.000_001);
  return { from, to, log: true, ticks: ticks.map((at) => ({ at, label: text(at) })) };
}

const round = (value: number): number => Math.round(value * 10) / 10;
