import type { CheckReport, Finding } from "./check.ts";
import type { LoadDocument } from "./document.ts";
import type { Percentiles } from "./latencies.ts";
import { Markup, markup } from "./markup.ts";
import { latencyChart, legend, percentileChart, rateChart, sweepCharts, whole } from "./page-charts.ts";
import { STYLE } from "./page-style.ts";
import { warningsOf } from "./warnings.ts";
import { shortMs, type SweepStep } from "./sweep.ts";

/** The report as one HTML file that needs nothing else: no script, no font, no picture, no network. */
export function loadPage(load: LoadDocument): string {
  const { conditions, sweep, machine, node } = load;
  const title = sweep
    ? headlineOf(sweep.knee.ratePerSecond)
    : `${whole(conditions.ratePerSecond)} requests a second`;
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
<p class="kicker">Load test, durability ${load.durability}</p>
<h1>${title}</h1>
${opening(load)}
</header>
${percentileSection(load)}
${sweep ? sweepSection(sweep.steps, sweep.p99Ms, sweep.knee.ratePerSecond) : []}
${timeSection(load)}
${checkSection(load.check)}
${conditionSection(load)}
<footer>${machine}, node ${node}, ${conditions.startedAt}. This page loads nothing from elsewhere.</footer>
</main>
</body>
</html>
`.source;
}

const headlineOf = (knee: number | null): string =>
  knee === null ? "No rate was sustained" : `Up to ${whole(knee)} requests a second`;

function opening(load: LoadDocument): Markup {
  const { percentiles, conditions, results, counts, check } = load;
  const completed = results.find(({ name }) => name === "completed")?.value ?? 0;
  const figure = (value: string, name: string): Markup =>
    markup`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  return markup`<p class="lead">One request is ${conditions.operation}. At <b>${whole(conditions.ratePerSecond)}</b> a second, half of all requests
had ended <b>${shortMs(percentiles.completed.p50)}</b> after the moment they were planned for, and 99 of 100 after
<b>${shortMs(percentiles.completed.p99)}</b>.</p>
${warningsOf(load).map((text) => markup`<p class="note">${text}</p>`)}
<dl class="figures">
${figure(whole(completed), `completed a second, of ${whole(conditions.ratePerSecond)} offered`)}
${figure(shortMs(percentiles.acknowledged.p99), "99th percentile, planned to acknowledged")}
${figure(shortMs(percentiles.completed.p99), "99th percentile, planned to completed")}
${figure(check.passed ? "passed" : "failed", `check of ${whole(check.acknowledged)} acknowledged requests${counts.notSent > 0 ? `; ${whole(counts.notSent)} not sent` : ""}`)}
</dl>`;
}

// --- percentiles ----------------------------------------------------------------------------------------------------

function percentileSection(load: LoadDocument): Markup {
  const { completed, acknowledged, service, generatorLag } = load.percentiles;
  const row = (name: string, { count, mean, p50, p90, p99, p99_9, p99_99, max }: Percentiles): Markup =>
    markup`<tr><th scope="row">${name}</th><td class="n">${whole(count)}</td>${[
      mean,
      p50,
      p90,
      p99,
      p99_9,
      p99_99,
      max,
    ].map((ms) => markup`<td class="n">${shortMs(ms)}</td>`)}</tr>
`;
  return markup`<section>
<h2>Latency by percentile</h2>
<p>From the moment at which a request was planned, not from its sending: what stands still is seen by everyone who would have
come meanwhile. Where the grey line comes near the others, the generator was late and not the system.</p>
<figure>
${legend(
  ["completed", "Planned to completed"],
  ["acknowledged", "Planned to acknowledged"],
  ["service", "Sent to completed"],
  ["lag", "Generator lag: planned to sent"],
)}
${percentileChart(load)}
</figure>
<div class="scroll"><table>
<thead><tr><th scope="col"></th><th scope="col" class="n">Requests</th><th scope="col" class="n">Mean</th>${["50 %", "90 %", "99 %", "99.9 %", "99.99 %", "Max"].map((name) => markup`<th scope="col" class="n">${name}</th>`)}</tr></thead>
<tbody>${row("Planned to acknowledged", acknowledged)}${row("Planned to completed", completed)}${row("Sent to completed", service)}${row("Generator lag", generatorLag)}</tbody>
</table></div>
</section>`;
}

// --- the sweep ------------------------------------------------------------------------------------------------------

function sweepSection(steps: readonly SweepStep[], p99Ms: number, knee: number | null): Markup {
  const row = (step: SweepStep): Markup =>
    markup`<tr><th scope="row" class="n">${whole(step.ratePerSecond)}</th><td class="n">${whole(step.completedPerSecond)}</td><td class="n">${shortMs(step.p50)}</td><td class="n">${shortMs(step.p99)}</td><td class="text">${step.sustained ? "sustained" : step.reasons.join("; ")}</td></tr>
`;
  return markup`<section>
<h2>The way to the knee</h2>
<p>Rates in a row, until the two on both sides of the knee are within 3 %. Hollow points were not sustained: fewer than 97 of 100
completed in time, or the 99th percentile was above ${shortMs(p99Ms)}, or something was not sent or failed.</p>
<figure>
${sweepCharts(steps, p99Ms, knee)}
</figure>
<div class="scroll"><table>
<thead><tr><th scope="col" class="n">Offered/s</th><th scope="col" class="n">Completed/s</th><th scope="col" class="n">50 %</th><th scope="col" class="n">99 %</th><th scope="col">Verdict</th></tr></thead>
<tbody>${steps.map(row)}</tbody>
</table></div>
</section>`;
}

// --- seconds --------------------------------------------------------------------------------------------------------

/** A table of a day would be longer than the page. */
const ROWS_MAX = 600;

function timeSection(load: LoadDocument): Markup {
  const { timeline, warmup } = load;
  const shown = timeline.slice(0, ROWS_MAX);
  const errorsOf = (errors: Readonly<Record<string, number>>): string =>
    Object.entries(errors)
      .map(([code, count]) => `${count} ${code}`)
      .join(", ");
  const warmedUp =
    warmup.sent === 0
      ? ""
      : `Before the first second ${whole(warmup.sent)} requests were sent to warm up, of which ${whole(warmup.completed)} completed; they are in no figure. `;
  return markup`<section>
<h2>Second by second</h2>
<p>${warmedUp}Latencies stand at the second in which a request was planned.</p>
<figure>
<h3>Requests a second</h3>
${legend(["completed", "Completed"], ["offered", "Offered"], ["problem", "Failed or not sent (if any)"])}
${rateChart(load)}
<h3>Latency</h3>
${legend(["completed", "99th percentile"], ["acknowledged", "50th percentile"])}
${latencyChart(load)}
</figure>
<details><summary>The seconds as a table</summary><div class="scroll"><table>
<thead><tr>${["Second", "Offered", "Not sent", "Sent", "Acknowledged", "Completed", "50 %", "99 %"].map((name) => markup`<th scope="col" class="n">${name}</th>`)}<th scope="col">Errors</th></tr></thead>
<tbody>${shown.map(
    (row) =>
      markup`<tr>${[row.second, row.offered, row.notSent, row.sent, row.acknowledged, row.completed].map((value) => markup`<td class="n">${whole(value)}</td>`)}<td class="n">${shortMs(row.p50)}</td><td class="n">${shortMs(row.p99)}</td><td class="text">${errorsOf(row.errors)}</td></tr>
`,
  )}</tbody></table></div>${timeline.length > ROWS_MAX ? markup`<p>The other ${timeline.length - ROWS_MAX} seconds are in load.json.</p>` : []}</details>
</section>`;
}

// --- the check ------------------------------------------------------------------------------------------------------

function checkSection(check: CheckReport): Markup {
  const named = ({ count, examples }: Finding): string =>
    count === 0 || examples.length === 0 ? whole(count) : `${whole(count)} (${examples.join(", ")})`;
  const rows: readonly (readonly [string, string])[] = [
    ["Acknowledged", whole(check.acknowledged)],
    ["Lost", named(check.lost)],
    ["Not ended", named(check.unended)],
    ["Ended twice", named(check.twice)],
    ["Told otherwise than listed", named(check.contradicted)],
    ["Wrong output", named(check.wrongOutput)],
    ["There without an acknowledgement", named(check.unacknowledged)],
    ["More than one attempt", named(check.retried)],
    ["Interrupted", named(check.interrupted)],
    ["Forgotten by retention", whole(check.forgotten)],
    ["Executions", whole(check.executions)],
    [
      "The queue's own counts",
      check.counts === null ? "not comparable" : check.counts.agree ? "agree" : "disagree",
    ],
  ];
  return markup`<section>
<h2>Was the work done?</h2>
<p class="verdict ${check.passed ? "good" : "bad"}">${check.passed ? "Every acknowledged request ended exactly once." : "Not every acknowledged request ended exactly once."}</p>
<div class="scroll"><table><tbody>${rows.map(
    ([name, value]) => markup`<tr><th scope="row">${name}</th><td class="text">${value}</td></tr>
`,
  )}</tbody></table></div>
</section>`;
}

// --- conditions -----------------------------------------------------------------------------------------------------

function conditionSection({ conditions, results }: LoadDocument): Markup {
  const row = ([name, value]: readonly [string, unknown]): Markup =>
    markup`<tr><th scope="row">${name}</th><td class="text">${typeof value === "number" ? shortNumber(value) : String(value)}</td></tr>
`;
  return markup`<section>
<h2>Under which conditions</h2>
<p>Generator and system share one machine. Figures from another machine, durability or file system are other figures.</p>
<details><summary>Everything that was set</summary><div class="scroll"><table><tbody>${Object.entries(conditions).map(row)}</tbody></table></div></details>
<details><summary>All results</summary><div class="scroll"><table><tbody>${results.map(({ name, value, unit }) => row([name, `${shortNumber(value)} ${unit}`]))}</tbody></table></div></details>
</section>`;
}

const shortNumber = (value: number): string =>
  value.toLocaleString(
    "en-US",
    value >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 },
  );
