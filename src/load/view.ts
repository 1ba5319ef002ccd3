import type { LoadDocument } from "./document.ts";
import type { Percentiles } from "./latencies.ts";
import type { Progress } from "./open-loop.ts";
import { shortMs, type SweepStep } from "./sweep.ts";
import { warningsOf } from "./warnings.ts";

/** Tells people how a load test goes. */
export interface LoadView {
  progress(progress: Progress): void;
  step(step: SweepStep): void;
  /** A line of its own. */
  note(text: string): void;
  /** Leaves the last line as it stands. */
  end(): void;
}

export interface Terminal {
  write(text: string): void;
  columns(): number;
}

const whole = (value: number): string => Math.round(value).toLocaleString("en-US");

/** For a terminal: one line, drawn over once a second. */
export function liveView({ write, columns }: Terminal): LoadView {
  let isDrawn = false;
  const above = (text: string): void => {
    write(`${isDrawn ? "\r\x1b[2K" : ""}${text}\n`);
    isDrawn = false;
  };
  return {
    progress(progress) {
      // A line that wraps could not be drawn over.
      write(`\r\x1b[2K${progressLine(progress).slice(0, Math.max(0, columns() - 1))}`);
      isDrawn = true;
    },
    step: (step) => above(stepLine(step)),
    note: above,
    end() {
      if (isDrawn) write("\n");
      isDrawn = false;
    },
  };
}

/** For a pipe: a plain line every second. */
export function plainView(write: (text: string) => void): LoadView {
  return {
    progress: (progress) => write(`${progressLine(progress)}\n`),
    step: (step) => write(`${stepLine(step)}\n`),
    note: (text) => write(`${text}\n`),
    end() {},
  };
}

/** For `--json`: standard output belongs to the document. */
export const silentView: LoadView = { progress() {}, step() {}, note() {}, end() {} };

function progressLine({
  phase,
  ratePerSecond,
  elapsedMs,
  durationMs,
  counts,
  underWay,
  latest,
}: Progress): string {
  const rate = `${whole(ratePerSecond)}/s`;
  const waiting = `${whole(underWay)} under way`;
  if (phase === "warm-up") return `${rate} warming up, ${Math.ceil(-elapsedMs / 1_000)} s to go, ${waiting}`;
  const failed = Object.values(counts.errors).reduce((sum, count) => sum + count, 0);
  const seconds = `${Math.floor(Math.min(elapsedMs, durationMs) / 1_000)}/${durationMs / 1_000} s`;
  return [
    `${rate} ${phase === "draining" ? "waiting for the rest" : seconds}`,
    `${whole(counts.completed)} completed`,
    waiting,
    ...(failed > 0 ? [`${whole(failed)} failed`] : []),
    ...(counts.notSent > 0 ? [`${whole(counts.notSent)} not sent`] : []),
    ...(latest ? [`p50 ${shortMs(latest.p50)}`, `p99 ${shortMs(latest.p99)}`] : []),
  ].join(", ");
}

function stepLine({ ratePerSecond, completedPerSecond, p99, sustained, reasons }: SweepStep): string {
  const verdict = sustained ? "sustained" : `not sustained: ${reasons.join("; ")}`;
  return `${whole(ratePerSecond)}/s: completed ${whole(completedPerSecond)}/s, p99 ${shortMs(p99)}, ${verdict}`;
}

/** What a person reads when all is over. */
export function closingLines(load: LoadDocument): string[] {
  const { conditions, counts, percentiles, sweep, check, durability, results } = load;
  const completed = results.find(({ name }) => name === "completed")?.value ?? 0;
  const findings = {
    lost: check.lost,
    "not ended": check.unended,
    twice: check.twice,
    "told otherwise": check.contradicted,
    "wrong output": check.wrongOutput,
  };
  const found = Object.entries(findings).flatMap(([name, { count }]) =>
    count > 0 ? [`${whole(count)} ${name}`] : [],
  );
  const counted = check.counts?.agree === false ? ["its own counts disagree"] : [];
  const knee = sweep?.knee.ratePerSecond ?? null;
  return [
    ...(sweep ? [knee === null ? "no rate was sustained" : `knee: ${whole(knee)} requests a second`] : []),
    `${whole(conditions.ratePerSecond)}/s, durability ${durability}: ${whole(counts.offered)} offered, ${whole(counts.completed)} completed, ${whole(completed)} a second`,
    ...table([
      ["", "50 %", "99 %", "99.9 %", "max"],
      latencyRow("planned to acknowledged", percentiles.acknowledged),
      latencyRow("planned to completed", percentiles.completed),
      latencyRow("generator lag", percentiles.generatorLag),
    ]),
    check.passed
      ? `check passed: ${whole(check.acknowledged)} acknowledged, each ended once`
      : `check failed, of ${whole(check.acknowledged)} acknowledged: ${[...found, ...counted].join(", ")}`,
    ...warningsOf(load),
  ];
}

const latencyRow = (name: string, { p50, p99, p99_9, max }: Percentiles): string[] => [
  name,
  ...[p50, p99, p99_9, max].map(shortMs),
];

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  "),
  );
}
