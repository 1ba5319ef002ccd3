import { dagPicture, type RunStatus, type StepStatus } from "mcplusplus";
import { FEW_FLIGHTS, clock, hourChart, minutes, whole } from "./flights.chart.ts";
import { Markup, markup } from "./flights.markup.ts";
import { STYLE } from "./flights.style.ts";
import type { AirportTraffic, FlightsReport, HourDelay } from "./flights.tasks.ts";

/**
 * The report as one HTML file that needs nothing else: no script, no font, no picture, no network. It is made after
 * the run, since it shows how every step of the run ended and how long it took.
 */

export interface FlightsPageInput {
  /** Null when the run did not come that far; the page then shows the run and what went wrong. */
  readonly report: FlightsReport | null;
  readonly run: RunStatus;
}

/** What is called after the run, with the decoded output of each completed step. */
export default function page(end: {
  readonly run: RunStatus;
  readonly outputs: Readonly<Record<string, unknown>>;
}): { file: string; html: string } {
  const report = (end.outputs["report"] ?? null) as FlightsReport | null;
  return { file: "report.html", html: flightsPage({ report, run: end.run }) };
}

export function flightsPage({ report, run }: FlightsPageInput): string {
  const title = report === null ? run.name : "When flights run late";
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<main>
<header>
<p class="kicker">${report === null ? `Run ${run.state}` : `${whole(report.rows)} flights`}</p>
<h1>${title}</h1>
${report === null ? [] : opening(report)}
</header>
${report === null ? [] : [hourSection(report), airportSection(report)]}
${runSection(run)}
<footer>Run ${run.workflowId}, submitted ${new Date(run.submittedAtMs).toISOString()}. This page loads nothing from elsewhere.</footer>
</main>
</body>
</html>
`.source;
}

// --- the figures ----------------------------------------------------------------------------------------------------

function opening({ rows, delay_by_hour: hours, busiest_airports: airports }: FlightsReport): Markup {
  const telling = hours.filter((each) => each.flights >= FEW_FLIGHTS);
  const judged = telling.length > 0 ? telling : hours;
  const best = extreme(judged, (each) => -each.mean_delay);
  const worst = extreme(judged, (each) => each.mean_delay);
  const worstTail = extreme(judged, (each) => each.p95_delay);
  const mean = hours.reduce((sum, each) => sum + each.mean_delay * each.flights, 0) / Math.max(1, rows);
  const [busiest] = airports;
  const figure = (value: Markup | string, name: string): Markup =>
    markup`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  return markup`${
    best === undefined || worst === undefined
      ? []
      : markup`<p class="lead">Flights of <b>${clock(best.hour)}</b> do best: ${lateness(best.mean_delay)} on average.
Those of <b>${clock(worst.hour)}</b> do worst: ${lateness(worst.mean_delay)}.</p>`
  }
<dl class="figures">
${figure(whole(rows), "flights read")}
${figure(markup`${minutes(mean)} <small>min</small>`, "mean delay of all of them")}
${worstTail === undefined ? [] : figure(markup`${whole(worstTail.p95_delay)} <small>min</small>`, `95th percentile at ${clock(worstTail.hour)}, the worst hour`)}
${busiest === undefined ? [] : figure(busiest.iata, `${placeOf(busiest)}, the busiest airport`)}
</dl>`;
}

const lateness = (delay: number): string =>
  delay < 0 ? `${minutes(-delay)} minutes early` : `${minutes(delay)} minutes late`;

function extreme<T>(items: readonly T[], size: (item: T) => number): T | undefined {
  return items.reduce<T | undefined>(
    (best, item) => (best === undefined || size(item) > size(best) ? item : best),
    undefined,
  );
}

function hourSection({ delay_by_hour: hours }: FlightsReport): Markup {
  const few = hours.filter((each) => each.flights < FEW_FLIGHTS).length;
  return markup`<section>
<h2>Delay by hour of the day</h2>
<p>Minutes. The mean hides what travellers remember: up to one flight in twenty is later than the upper line.</p>
<figure class="chart">
<ul class="keys narrow"><li><i class="of-p95"></i>95th percentile</li><li><i class="of-mean"></i>Mean</li></ul>
<div class="wide">${hourChart(hours, { width: 1080, height: 480, hourStep: 2, names: 136 })}</div>
<div class="narrow">${hourChart(hours, { width: 358, height: 400, hourStep: 6, names: 0 })}</div>
<figcaption>Percentiles by nearest rank, over every single flight.${few === 0 ? "" : ` Hollow points and dotted lines: hours with fewer than ${FEW_FLIGHTS} flights, which say little.`}</figcaption>
</figure>
<details><summary>The figures as a table</summary><div class="scroll"><table>
<thead><tr><th scope="col">Hour</th><th scope="col" class="n">Flights</th><th scope="col" class="n">Mean, min</th><th scope="col" class="n">95th pct, min</th></tr></thead>
<tbody>${hours.map(hourRow)}</tbody></table></div></details>
</section>`;
}

const hourRow = ({ hour, flights, mean_delay, p95_delay }: HourDelay): Markup =>
  markup`<tr><th scope="row">${clock(hour)}</th><td class="n">${whole(flights)}</td><td class="n">${minutes(mean_delay)}</td><td class="n">${whole(p95_delay)}</td></tr>
`;

// --- the airports ---------------------------------------------------------------------------------------------------

const placeOf = ({ iata, city, state }: AirportTraffic): string =>
  [city, state].filter((part) => part !== "").join(", ") || iata;

function airportSection({ busiest_airports: airports }: FlightsReport): Markup {
  const most = Math.max(1, ...airports.map((each) => each.total));
  const width = (count: number): Markup =>
    markup`<i style="width:${Math.round((count / most) * 1e4) / 100}%"></i>`;
  return markup`<section>
<h2>The ${airports.length} busiest airports</h2>
<p>Flights that leave or arrive, over all routes.</p>
<figure>
<ul class="keys"><li><i class="of-mean"></i>Departures</li><li><i class="of-arrive"></i>Arrivals</li></ul>
<ol class="bars">${airports.map(
    (
      each,
      index,
    ) => markup`<li><span class="rank">${index + 1}</span><span class="who"><b>${each.iata}</b> ${each.name} <span>${placeOf(each)}</span></span><span class="bar" aria-hidden="true">${width(each.departures)}${width(each.arrivals)}</span><span class="sum">${whole(each.total)}</span></li>
`,
  )}</ol>
<figcaption>The number at the right is the sum of departures and arrivals.</figcaption>
</figure>
<details><summary>The airports as a table</summary><div class="scroll"><table>
<thead><tr><th scope="col">Airport</th><th scope="col">City</th><th scope="col" class="n">Departs</th><th scope="col" class="n">Arrives</th><th scope="col" class="n">Total</th></tr></thead>
<tbody>${airports.map(airportRow)}</tbody></table></div></details>
</section>`;
}

const airportRow = ({ iata, city, departures, arrivals, total }: AirportTraffic): Markup =>
  markup`<tr><th scope="row">${iata}</th><td>${city}</td><td class="n">${whole(departures)}</td><td class="n">${whole(arrivals)}</td><td class="n">${whole(total)}</td></tr>
`;

// --- the run --------------------------------------------------------------------------------------------------------

function runSection(run: RunStatus): Markup {
  const cached = run.steps.filter((step) => step.cached).length;
  const failures = run.steps.filter((step) => step.error !== null && step.state === "failed");
  const took = duration(run);
  return markup`<section>
<h2>How it was computed</h2>
<p>${run.steps.length} steps${took === null ? "" : ` in ${took}`}${cached === 0 ? "" : `, ${cached} of them from the cache`}. A step starts as soon as the steps it needs are done; the run ${ending(run)}.</p>
${failures.map((step) => markup`<p class="problem"><b>${step.stepId}</b> failed: ${step.error?.message ?? ""}</p>`)}
<div class="run">
<figure>
<div class="across">${new Markup(dagPicture(run.steps, { direction: "across", title: "The steps of this run" }))}</div>
<div class="down">${new Markup(dagPicture(run.steps, { direction: "down", title: "The steps of this run" }))}</div>
<figcaption>Every step with its action and how long it took. Lines lead from a step to those that wait for it.</figcaption>
</figure>
${timeline(run)}
<details><summary>The steps as a table</summary><div class="scroll"><table>
<thead><tr><th scope="col">Step</th><th scope="col">Waits for</th><th scope="col">State</th><th scope="col" class="n">Time</th></tr></thead>
<tbody>${run.steps.map(stepRow)}</tbody></table></div></details>
</div>
</section>`;
}

const ending = (run: RunStatus): string =>
  run.state === "completed" || run.state === "failed" ? run.state : `is ${run.state}`;

const stepRow = (step: StepStatus): Markup =>
  markup`<tr><th scope="row">${step.stepId}</th><td>${step.dependsOn.join(", ") || "–"}</td><td>${step.state}${step.error === null ? "" : `: ${step.error.message}`}</td><td class="n">${tookOf(step)}</td></tr>
`;

const tookOf = (step: StepStatus): string => (step.cached ? "from cache" : (duration(step) ?? "–"));

function duration({ startedAtMs, endedAtMs }: Pick<RunStatus, "startedAtMs" | "endedAtMs">): string | null {
  if (startedAtMs === null || endedAtMs === null) return null;
  return `${whole(Math.max(0, Math.round(endedAtMs - startedAtMs)))} ms`;
}

/** Bars are placed in percent, so that their labels stay readable at any width. */
function timeline(run: RunStatus): readonly Markup[] {
  const times = run.steps
    .flatMap((step) => [step.startedAtMs, step.endedAtMs])
    .filter((time) => time !== null);
  if (times.length === 0) return [];
  const start = Math.min(...times);
  const length = Math.max(1, Math.max(...times) - start);
  const percent = (ms: number): number => Math.round((ms / length) * 1e4) / 100;
  const bar = (step: StepStatus): readonly Markup[] => {
    if (step.startedAtMs === null) return [];
    const left = percent(step.startedAtMs - start);
    const width = percent((step.endedAtMs ?? start + length) - step.startedAtMs);
    if (step.cached) return [markup`<i class="cached" style="left:${left}%"></i>`];
    return [markup`<i class="${step.state}" style="left:min(${left}%,100% - 3px);width:${width}%"></i>`];
  };
  return [
    markup`<h3>When each step ran</h3>
<ol class="gantt">${run.steps.map(
      (
        step,
      ) => markup`<li><span class="id">${step.stepId}</span><span class="track" aria-hidden="true">${bar(step)}</span><span class="took">${tookOf(step)}</span></li>
`,
    )}<li class="scale" aria-hidden="true"><span></span><span><span>0</span><span>${whole(Math.round(length / 2))}</span><span>${whole(length)} ms</span></span><span></span></li></ol>`,
  ];
}
