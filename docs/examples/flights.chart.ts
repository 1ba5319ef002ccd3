import { markup, type Markup } from "./flights.markup.ts";
import type { HourDelay } from "./flights.tasks.ts";

/**
 * Delay by hour as two lines, with the flights per hour as columns below on the same axis. Drawn twice, for wide and
 * for narrow pages, because a drawing that shrinks takes its letters with it.
 */

/** With fewer flights an hour says little: its points are hollow, and the lines to it dashed. */
export const FEW_FLIGHTS = 100;

export interface ChartSize {
  readonly width: number;
  readonly height: number;
  /** Hours between two labels of the axis. */
  readonly hourStep: number;
  /** Room at the right for the names of the lines; 0 leaves them to the legend. */
  readonly names: number;
}

const MARGIN = { left: 40, top: 14, right: 10 };
const COLUMNS = { gap: 44, height: 56, axis: 24 };
const HOURS = 24;

export const minutes = (value: number): string =>
  value.toLocaleString("en-US", { maximumFractionDigits: 1, minimumFractionDigits: 1 }).replace("-", "−");

export const whole = (value: number): string => value.toLocaleString("en-US").replace("-", "−");

export const clock = (hour: number): string => `${String(hour).padStart(2, "0")}:00`;

export function hourChart(hours: readonly HourDelay[], size: ChartSize): Markup {
  const plotWidth = size.width - MARGIN.left - MARGIN.right - size.names;
  const plotBottom = size.height - COLUMNS.gap - COLUMNS.height - COLUMNS.axis;
  const columnsBottom = size.height - COLUMNS.axis;
  const delays = hours.flatMap((each) => [each.mean_delay, each.p95_delay]);
  const low = Math.min(0, ...delays);
  const high = Math.max(1, ...delays);
  const most = Math.max(1, ...hours.map((each) => each.flights));
  const x = (hour: number): number => round(MARGIN.left + ((hour + 0.5) * plotWidth) / HOURS);
  const y = (delay: number): number =>
    round(plotBottom - ((delay - low) / (high - low)) * (plotBottom - MARGIN.top));
  const columnHeight = (flights: number): number => round((flights / most) * COLUMNS.height);
  const right = MARGIN.left + plotWidth;
  const half = plotWidth / HOURS / 2;

  const grid = ticksFor(low, high).map(
    (tick) => markup`<path class="${tick === 0 ? "zero" : "grid"}" d="M${MARGIN.left} ${y(tick)}H${right}"/>
<text class="tick" x="${MARGIN.left - 8}" y="${y(tick) + 4}" text-anchor="end">${whole(tick)}</text>`,
  );
  const columns = hours.map(
    ({ hour, flights }) =>
      markup`<rect class="column" x="${round(x(hour) - half * 0.8)}" y="${round(columnsBottom - columnHeight(flights))}" width="${round(half * 1.6)}" height="${columnHeight(flights)}"/>`,
  );
  const labels = Array.from({ length: HOURS }, (_, hour) => hour)
    .filter((hour) => hour % size.hourStep === 0)
    .map(
      (hour) =>
        markup`<text class="tick" x="${x(hour)}" y="${size.height - 6}" text-anchor="middle">${clock(hour)}</text>`,
    );
  const spots = hours.map(
    (each) => markup`<g class="spot"><title>${sentenceOf(each)}</title>
<rect class="sense" x="${round(x(each.hour) - half)}" y="${MARGIN.top}" width="${round(half * 2)}" height="${columnsBottom - MARGIN.top}"/>
<path class="ruler" d="M${x(each.hour)} ${MARGIN.top}V${columnsBottom}"/></g>`,
  );
  const line = (kind: "mean" | "p95", value: (each: HourDelay) => number): Markup =>
    lineOf(kind, hours, (each) => [x(each.hour), y(value(each))]);

  return markup`<svg role="img" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" aria-label="Mean and 95th percentile of the delay for each hour of the day; the table below has the figures.">
${grid}${columns}<path class="zero" d="M${MARGIN.left} ${columnsBottom}H${right}"/>${labels}
<text class="small" x="${MARGIN.left}" y="${columnsBottom - COLUMNS.height - 10}">Flights per hour, at most ${whole(most)}</text>
${spots}${line("p95", (each) => each.p95_delay)}${line("mean", (each) => each.mean_delay)}${namesOf(hours, size, right, y)}
</svg>`;
}

/** Lines connect neighbouring hours only: an hour without flights is a gap, not a guess. */
function lineOf(
  kind: "mean" | "p95",
  hours: readonly HourDelay[],
  place: (each: HourDelay) => readonly [number, number],
): Markup {
  const isSolid = (each: HourDelay): boolean => each.flights >= FEW_FLIGHTS;
  const strokes = { solid: "", dashed: "" };
  for (const [index, each] of hours.entries()) {
    const next = hours[index + 1];
    if (next === undefined || next.hour !== each.hour + 1) continue;
    const stroke = `M${place(each).join(" ")}L${place(next).join(" ")}`;
    strokes[isSolid(each) && isSolid(next) ? "solid" : "dashed"] += stroke;
  }
  const dots = hours.map((each) => {
    const [x, y] = place(each);
    return markup`<circle class="dot${isSolid(each) ? "" : " hollow"}" cx="${x}" cy="${y}" r="${isSolid(each) ? 3.2 : 3}"/>`;
  });
  return markup`<g class="line ${kind}"><path class="dashed" d="${strokes.dashed}"/><path d="${strokes.solid}"/>${dots}</g>`;
}

/** The names stand where the lines end, and never closer to each other than two lines of text. */
function namesOf(
  hours: readonly HourDelay[],
  size: ChartSize,
  right: number,
  y: (delay: number) => number,
): readonly Markup[] {
  const last = hours.at(-1);
  if (last === undefined || size.names === 0) return [];
  const mean = y(last.mean_delay) + 4;
  const p95 = Math.min(y(last.p95_delay) + 4, mean - 36);
  return [
    markup`<text class="name p95" x="${right + 8}" y="${p95}">95th percentile<tspan x="${right + 8}" dy="16">1 flight in 20 is later</tspan></text>`,
    markup`<text class="name mean" x="${right + 8}" y="${mean}">Mean</text>`,
  ];
}

/** Round numbers between `low` and `high`, about five of them, 0 among them. */
function ticksFor(low: number, high: number): readonly number[] {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, index) => (first + index) * step);
}

export const sentenceOf = ({ hour, flights, mean_delay, p95_delay }: HourDelay): string =>
  `${clock(hour)}: ${whole(flights)} flights, mean delay ${minutes(mean_delay)} min, 95 of 100 at most ${whole(p95_delay)} min late`;

const round = (value: number): number => Math.round(value * 10) / 10;
