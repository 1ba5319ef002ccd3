import { visibleText } from "./visible-text.ts";
import type { StepState } from "./workflow.protocol.ts";

/** A step as a picture shows it: the status of a step of a run is one, and so is a step of a graph that never ran. */
export interface PictureStep {
  readonly stepId: string;
  readonly dependsOn: readonly string[];
  readonly action?: string;
  readonly state?: StepState;
  readonly cached?: boolean;
  /** 0 to 1. */
  readonly progress?: number;
  readonly attempt?: number;
  readonly startedAtMs?: number | null;
  readonly endedAtMs?: number | null;
  readonly error?: { readonly message: string } | null;
  /** How long it takes, or should, for a step that has not run. */
  readonly durationMs?: number;
}

/** How wide one character of a step's id is drawn at most, nearly always. */
export const CHARACTER_WIDTH = { id: 7.6, note: 6.1 };

type Look = StepState | "cached" | "plain";

export const lookOf = (step: PictureStep): Look =>
  step.state === "completed" && step.cached === true ? "cached" : (step.state ?? "plain");

/** Each state has a shape of its own, so that nobody has to tell colours apart. Drawn around the origin, radius 9. */
const SYMBOLS: Readonly<Record<Look, string>> = {
  plain: `<circle class="dag-hollow" r="4"/>`,
  pending: `<circle class="dag-hollow dag-dotted" r="8"/>`,
  ready: `<circle class="dag-hollow" r="8"/><circle class="dag-dot" r="2.5"/>`,
  running: `<circle class="dag-hollow" r="8"/><path class="dag-dot" d="M-2.5 -4L4.5 0L-2.5 4Z"/>`,
  completed: `<circle class="dag-full" r="9"/><path class="dag-sign" d="M-4 .5L-1.2 3.3L4.2 -3"/>`,
  cached: `<circle class="dag-full" r="9"/><path class="dag-sign" d="M4 -1.6A4.3 4.3 0 1 0 4 1.9M4.4 -4.9V-1.5H1"/>`,
  failed: `<circle class="dag-full" r="9"/><path class="dag-sign" d="M-3.4 -3.4L3.4 3.4M3.4 -3.4L-3.4 3.4"/>`,
  skipped: `<circle class="dag-hollow" r="8"/><path class="dag-mark" d="M-3.6 -3L-.6 0L-3.6 3M.8 -3L3.8 0L.8 3"/>`,
  cancelled: `<circle class="dag-hollow" r="8"/><path class="dag-mark" d="M-5.7 5.7L5.7 -5.7"/>`,
};

export function symbol(step: PictureStep, x: number, y: number): string {
  return `<g transform="translate(${xy(x, y)})">${SYMBOLS[lookOf(step)]}</g>`;
}

export function words(step: PictureStep, left: number, middle: number, room: number): string {
  const id = cut(step.stepId, room / CHARACTER_WIDTH.id);
  const caption = cut(captionOf(step), room / CHARACTER_WIDTH.note);
  return [
    `<text class="dag-id" x="${round(left)}" y="${round(middle - 3)}">${escaped(id)}</text>`,
    `<text class="dag-note" x="${round(left)}" y="${round(middle + 14)}">${escaped(caption)}</text>`,
  ].join("");
}

export const captionOf = (step: PictureStep): string =>
  [step.action ?? "", noteOf(step)].filter((part) => part !== "").join(" · ");

export function sentenceOf(step: PictureStep): string {
  const action = step.action === undefined ? "" : `, action ${step.action}`;
  const note = noteOf(step);
  const attempt = (step.attempt ?? 1) > 1 ? `, attempt ${step.attempt}` : "";
  const reason = step.error ? ` (${step.error.message})` : "";
  return `${step.stepId}${action}${note === "" ? "" : `: ${note}`}${attempt}${reason}`;
}

export function noteOf(step: PictureStep): string {
  const { state, startedAtMs = null, endedAtMs = null } = step;
  if (lookOf(step) === "cached") return "from cache";
  if (state === "running") return `running ${Math.floor((step.progress ?? 0) * 100)} %`;
  const took = startedAtMs === null || endedAtMs === null ? step.durationMs : endedAtMs - startedAtMs;
  if (took === undefined) return state ?? "";
  const duration = `${Math.max(0, Math.round(took)).toLocaleString("en-US")} ms`;
  return state === undefined || state === "completed" ? duration : `${state} · ${duration}`;
}

/** A cut must not fall within an emoji or between a letter and its accent. */
const CHARACTERS = new Intl.Segmenter("en");

const cut = (text: string, characters: number): string => {
  const letters = Array.from(CHARACTERS.segment(text), ({ segment }) => segment);
  return letters.length <= characters
    ? text
    : `${letters.slice(0, Math.max(1, Math.floor(characters) - 1)).join("")}…`;
};

export const round = (value: number): number => Math.round(value * 10) / 10;

export const xy = (x: number, y: number): string => `${round(x)} ${round(y)}`;

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export const escaped = (text: string): string =>
  visibleText(text).replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);

/** Every colour is a custom property, so that a page can set its own on `svg.dag`. */
export const STYLE = [
  `.dag{--dag-ink:#1d2329;--dag-soft:#5b646d;--dag-line:#8f989f;--dag-paper:#fff;--dag-done:#2c7a5a;`,
  `--dag-cached:#33658a;--dag-running:#9a6700;--dag-failed:#b3362b;--dag-critical:#c2410c;font-family:system-ui,sans-serif}`,
  `@media(prefers-color-scheme:dark){.dag{--dag-ink:#eceae5;--dag-soft:#a8b0b7;--dag-line:#727b83;--dag-paper:#1d2125;`,
  `--dag-done:#5fbf95;--dag-cached:#7fb3d9;--dag-running:#e0b04a;--dag-failed:#f08a7d;--dag-critical:#fb923c}}`,
  `.dag-edge{fill:none;stroke:var(--dag-line);stroke-width:1.5;stroke-linecap:round;stroke-linejoin:round}`,
  `.dag-critical{stroke:var(--dag-critical);stroke-width:3}`,
  `.dag-step{--dag-state:var(--dag-soft)}.dag-completed{--dag-state:var(--dag-done)}`,
  `.dag-cached{--dag-state:var(--dag-cached)}.dag-running,.dag-ready{--dag-state:var(--dag-running)}`,
  `.dag-failed{--dag-state:var(--dag-failed)}`,
  `.dag-box{fill:var(--dag-paper);stroke:var(--dag-state);stroke-opacity:.55}.dag-failed .dag-box{stroke-opacity:1}`,
  `.dag-pending .dag-box,.dag-skipped .dag-box,.dag-cancelled .dag-box{stroke-dasharray:4 3}`,
  `.dag-full,.dag-dot{fill:var(--dag-state)}.dag-hollow{fill:var(--dag-paper);stroke:var(--dag-state);stroke-width:1.6}`,
  `.dag-dotted{stroke-dasharray:2 2.2}.dag-sign,.dag-mark{fill:none;stroke-width:1.8;stroke-linecap:round;`,
  `stroke-linejoin:round}.dag-sign{stroke:var(--dag-paper)}.dag-mark{stroke:var(--dag-state)}`,
  `.dag-id{font-size:13px;font-weight:600;fill:var(--dag-ink)}`,
  `.dag-note{font-size:12px;fill:var(--dag-soft);font-variant-numeric:tabular-nums}`,
].join("");
