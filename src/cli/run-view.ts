import type { RunEvent, RunStatus, StepStatus } from "../workflow/workflow.protocol.ts";
import { oneLine } from "./failure.ts";

/** Shows a run while it goes on. */
export interface RunView {
  begin(status: RunStatus): void;
  tell(event: RunEvent): void;
  /** A line of its own, about something that is no step. */
  note(text: string): void;
  end(): void;
}

const SYMBOLS: Readonly<Record<StepStatus["state"], string>> = {
  pending: "·",
  ready: "·",
  running: "▸",
  completed: "✓",
  failed: "✗",
  skipped: "-",
  cancelled: "○",
};

const UNDOING: Readonly<Record<NonNullable<StepStatus["compensation"]>, string>> = {
  pending: "to be undone",
  running: "being undone",
  completed: "undone",
  failed: "could not be undone",
  skipped: "not undone",
};

const BAR_CELLS = 20;

export const seconds = (ms: number): string =>
  ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(2)} s`;

function durationOf({ startedAtMs, endedAtMs }: StepStatus): number | null {
  return startedAtMs === null || endedAtMs === null ? null : endedAtMs - startedAtMs;
}

/** What a step has come to, in a few words. */
function wordsOf(step: StepStatus): string {
  const { state, cached, progress, error } = step;
  const duration = durationOf(step);
  if (state === "completed") {
    const took = cached ? "from cache" : duration === null ? "done" : seconds(duration);
    return step.compensation === null ? took : `${took}, ${UNDOING[step.compensation]}`;
  }
  if (state === "running") {
    const bar = "█".repeat(Math.round(progress * BAR_CELLS)).padEnd(BAR_CELLS, "░");
    return `${bar} ${Math.round(progress * 100)} %`;
  }
  if (!error) return state;
  // "cancelled: it was cancelled: …" and "failed: it failed: …" say it twice.
  const { reason, text } = error.details;
  const why = error.code === "CANCELLED" ? reason : error.code === "HANDLER_FAILED" ? text : undefined;
  return `${state}: ${oneLine(typeof why === "string" ? why : error.message)}`;
}

/** For a pipe: one plain line when a step starts, one when it ends, and one for each stage of undoing it. */
export function plainView(write: (text: string) => void): RunView {
  const shown = new Map<string, string>();
  return {
    begin(status) {
      write(`run ${status.workflowId}: ${status.steps.length} steps\n`);
    },
    tell({ step }) {
      if (!step || step.state === "pending" || step.state === "ready") return;
      const stage = `${step.state} ${step.compensation}`;
      if (shown.get(step.stepId) === stage) return;
      shown.set(step.stepId, stage);
      write(
        `${SYMBOLS[step.state]} ${oneLine(step.stepId)} ${step.state === "running" ? "started" : wordsOf(step)}\n`,
      );
    },
    note(text) {
      write(`${text}\n`);
    },
    end() {},
  };
}

/** Redraws at most this often. */
const FRAME_MS = 50;

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** For a terminal: one line per step, redrawn in place. What does not fit on the screen is counted. */
export function liveView(write: (text: string) => void, size: () => TerminalSize): RunView {
  let steps: StepStatus[] = [];
  let progress = 0;
  let drawnLines = 0;
  let timer: NodeJS.Timeout | undefined;
  const draw = (): void => {
    timer = undefined;
    const { columns, rows } = size();
    // The cursor cannot go up past the first row, so the drawing must be lower than the screen.
    const shown = worthShowing(steps, Math.max(1, rows - 3));
    const width = Math.max(...shown.map(({ stepId }) => stepId.length), 8);
    const lines = shown.map(
      (step) => `  ${SYMBOLS[step.state]} ${oneLine(step.stepId).padEnd(width)}  ${wordsOf(step)}`,
    );
    const hidden = steps.length - shown.length;
    const rest = hidden > 0 ? `, ${hidden} of them not shown` : "";
    lines.push(`  ${Math.round(progress * 100)} % of ${steps.length} steps${rest}`);
    const up = drawnLines > 0 ? `\x1b[${drawnLines}A` : "";
    // A drawing with fewer lines than the last one leaves nothing of it below.
    write(`${up}${lines.map((line) => `\x1b[2K${cut(line, columns)}\n`).join("")}\x1b[0J`);
    drawnLines = lines.length;
  };
  const redraw = (): void => {
    timer ??= setTimeout(draw, FRAME_MS);
  };
  return {
    begin(status) {
      steps = [...status.steps];
      write(`${oneLine(status.name)} (${status.workflowId})\n`);
      draw();
    },
    tell(event) {
      progress = event.progress;
      const { step } = event;
      if (step) steps = steps.map((each) => (each.stepId === step.stepId ? step : each));
      redraw();
    },
    note(text) {
      // Above the drawing, which is made anew below it.
      write(`${drawnLines > 0 ? `\x1b[${drawnLines}A\x1b[0J` : ""}${text}\n`);
      drawnLines = 0;
      if (steps.length > 0) draw();
    },
    end() {
      clearTimeout(timer);
      timer = undefined;
      if (steps.length > 0) draw();
      // What comes after the end is not drawn over.
      steps = [];
      drawnLines = 0;
    },
  };
}

const IMPORTANCE: Readonly<Record<StepStatus["state"], number>> = {
  running: 0,
  failed: 1,
  ready: 2,
  pending: 3,
  cancelled: 4,
  skipped: 5,
  completed: 6,
};

/** At most `room` steps in their order: those that run, then those that failed, then those to come. */
function worthShowing(steps: readonly StepStatus[], room: number): readonly StepStatus[] {
  if (steps.length <= room) return steps;
  const chosen = new Set(
    steps.toSorted((one, other) => IMPORTANCE[one.state] - IMPORTANCE[other.state]).slice(0, room),
  );
  return steps.filter((step) => chosen.has(step));
}

/** For `--json`: standard output belongs to the summary. */
export const silentView: RunView = { begin() {}, tell() {}, note() {}, end() {} };

/** A wrapped line would break the redrawing. */
const cut = (line: string, columns: number): string =>
  line.length < columns ? line : `${line.slice(0, Math.max(0, columns - 2))}…`;
