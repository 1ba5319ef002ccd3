import type { RunEvent, RunStatus, StepStatus } from "../workflow/workflow.protocol.ts";

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

const BAR_CELLS = 20;

export const seconds = (ms: number): string => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(2)} s`);

function durationOf({ startedAtMs, endedAtMs }: StepStatus): number | null {
  return startedAtMs === null || endedAtMs === null ? null : endedAtMs - startedAtMs;
}

/** What a step has come to, in a few words. */
function wordsOf(step: StepStatus): string {
  const duration = durationOf(step);
  if (step.state === "completed") return step.cached ? "from cache" : duration === null ? "done" : seconds(duration);
  if (step.state === "running") return `${"█".repeat(Math.round(step.progress * BAR_CELLS)).padEnd(BAR_CELLS, "░")} ${Math.round(step.progress * 100)} %`;
  if (step.error) return `${step.state}: ${step.error.message}`;
  return step.state;
}

/** For a pipe: one plain line when a step starts and one when it ends. */
export function plainView(write: (text: string) => void): RunView {
  const shown = new Map<string, string>();
  return {
    begin(status) {
      write(`run ${status.workflowId}: ${status.steps.length} steps\n`);
    },
    tell({ step }) {
      if (!step || step.state === "pending" || step.state === "ready") return;
      if (shown.get(step.stepId) === step.state) return;
      shown.set(step.stepId, step.state);
      write(`${SYMBOLS[step.state]} ${step.stepId} ${step.state === "running" ? "started" : wordsOf(step)}\n`);
    },
    note(text) {
      write(`${text}\n`);
    },
    end() {},
  };
}

/** Redraws at most this often. */
const FRAME_MS = 50;

/** For a terminal: one line per step, redrawn in place. */
export function liveView(write: (text: string) => void, columns: () => number): RunView {
  let steps: StepStatus[] = [];
  let progress = 0;
  let drawnLines = 0;
  let timer: NodeJS.Timeout | undefined;
  const draw = (): void => {
    timer = undefined;
    const width = Math.max(...steps.map(({ stepId }) => stepId.length), 8);
    const lines = steps.map((step) => cut(`  ${SYMBOLS[step.state]} ${step.stepId.padEnd(width)}  ${wordsOf(step)}`, columns()));
    lines.push(cut(`  ${Math.round(progress * 100)} % of ${steps.length} steps`, columns()));
    const up = drawnLines > 0 ? `\x1b[${drawnLines}A` : "";
    write(up + lines.map((line) => `\x1b[2K${line}\n`).join(""));
    drawnLines = lines.length;
  };
  const redraw = (): void => {
    timer ??= setTimeout(draw, FRAME_MS);
  };
  return {
    begin(status) {
      steps = [...status.steps];
      write(`${status.name} (${status.workflowId})\n`);
      draw();
    },
    tell(event) {
      progress = event.progress;
      const { step } = event;
      if (step) steps = steps.map((each) => (each.stepId === step.stepId ? step : each));
      redraw();
    },
    note(text) {
      write(`\x1b[2K${text}\n`);
      drawnLines = 0;
      redraw();
    },
    end() {
      clearTimeout(timer);
      if (steps.length > 0) draw();
    },
  };
}

/** For `--json`: standard output belongs to the summary. */
export const silentView: RunView = { begin() {}, tell() {}, note() {}, end() {} };

/** A wrapped line would break the redrawing. */
const cut = (line: string, columns: number): string => (line.length < columns ? line : `${line.slice(0, columns - 2)}…`);
