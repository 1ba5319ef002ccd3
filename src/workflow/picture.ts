import type { StepStatus } from "./workflow.protocol.ts";

/**
 * Draws the steps of a run as an SVG element for an HTML page: a layered drawing after Sugiyama, in two forms. On a
 * wide page the layers are columns of boxes; on a narrow one every step has a line of its own beside a map of lanes,
 * because boxes that stand side by side cannot be read there.
 *
 * A pure function of its arguments: the same run always gives the same bytes.
 *
 * @see K. Sugiyama, S. Tagawa, M. Toda: Methods for Visual Understanding of Hierarchical System Structures, 1981
 * @see E. R. Gansner et al.: A Technique for Drawing Directed Graphs, 1993 (how strongly edges pull)
 */

export interface DagPictureOptions {
  /** "across" (default): columns from left to right, for wide pages. "down": one step a line, for narrow ones. */
  readonly direction?: "across" | "down";
  /** The picture's name for those who do not see it; default "Steps and their dependencies". */
  readonly title?: string;
}

/** Sizes in CSS pixels at scale 1. */
const BOX = {
  height: 56,
  widthMin: 136,
  widthMax: 216,
  gapAcross: 52,
  gapDown: 16,
  margin: 12,
  textLeft: 40,
};
/** Where an edge passes a column of boxes; it needs room, but less than a box. */
const PASSAGE_HEIGHT = 14;
const LINE = {
  width: 296,
  height: 44,
  gap: 26,
  lane: 18,
  lanesMax: 126,
  marginLeft: 14,
  marginTop: 4,
  textGap: 20,
};
/** How wide one character of a step's id is drawn at most, nearly always. */
const CHARACTER_WIDTH = { id: 7.6, note: 6.1 };
const SWEEPS = { order: 8, align: 24 };

/** A step's place in its layer; or, without a step, the place where an edge passes the layer on its way. */
interface Slot {
  readonly step: StepStatus | null;
  readonly layer: number;
  readonly before: Slot[];
  readonly after: Slot[];
  /** Index within the layer. */
  place: number;
  /** Middle of the slot, across the direction of the layers. */
  middle: number;
}

/**
 * The steps of a run and their dependencies as an `<svg>` element, for an HTML page.
 *
 * @param steps of one run. Dependencies on steps that are not among them, and those that close a cycle (the scheduler
 *   accepts neither), are left out of the drawing; the steps themselves never are. Far edges cost in proportion to the
 *   layers they pass, so this is for runs that a person can look at: hundreds of steps.
 */
export function dagPicture(steps: readonly StepStatus[], options: DagPictureOptions = {}): string {
  const { direction = "across", title = "Steps and their dependencies" } = options;
  const layers = layersOf(steps);
  untangle(layers);
  const { width, height, body } = direction === "across" ? drawAcross(layers) : drawDown(layers);
  const spoken = steps.map((step) => `${step.stepId}: ${noteOf(step)}`).join("; ");
  return [
    `<svg class="dag" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`,
    ` aria-label="${escaped(steps.length === 0 ? title : `${title}. ${spoken}`)}">`,
    `<style>${STYLE}</style>${body}</svg>`,
  ].join("");
}

// --- who stands where ---------------------------------------------------------------------------------------------

/** A step's layer is the length of the longest way to it, so that every edge points to a later layer. */
function ranksOf(steps: readonly StepStatus[]): Map<string, number> {
  const ranks = new Map(steps.map((step) => [step.stepId, 0]));
  const dependants = new Map<string, string[]>(steps.map((step) => [step.stepId, []]));
  const missing = new Map<string, number>();
  for (const step of steps) {
    const dependencies = [...new Set(step.dependsOn)].filter((id) => ranks.has(id));
    missing.set(step.stepId, dependencies.length);
    for (const id of dependencies) dependants.get(id)?.push(step.stepId);
  }
  const ready = steps.map((step) => step.stepId).filter((id) => missing.get(id) === 0);
  // The list grows while it is walked; the members of a cycle never enter it.
  for (const id of ready) {
    for (const next of dependants.get(id) ?? []) {
      ranks.set(next, Math.max(ranks.get(next) ?? 0, (ranks.get(id) ?? 0) + 1));
      const left = (missing.get(next) ?? 0) - 1;
      missing.set(next, left);
      if (left === 0) ready.push(next);
    }
  }
  return ranks;
}

function layersOf(steps: readonly StepStatus[]): Slot[][] {
  const ranks = ranksOf(steps);
  const layers: Slot[][] = [];
  const addSlot = (step: StepStatus | null, layer: number): Slot => {
    const slots = (layers[layer] ??= []);
    const slot: Slot = { step, layer, before: [], after: [], place: slots.length, middle: 0 };
    slots.push(slot);
    return slot;
  };
  // By layer, so that no layer of the sparse array stays a hole.
  const inOrder = steps.toSorted((a, b) => (ranks.get(a.stepId) ?? 0) - (ranks.get(b.stepId) ?? 0));
  const slots = new Map(inOrder.map((step) => [step.stepId, addSlot(step, ranks.get(step.stepId) ?? 0)]));
  // All far edges of one step share their passages: they leave it as one line and part where they must.
  const passages = new Map<Slot, Slot>();
  for (const to of slots.values()) {
    for (const id of new Set(to.step?.dependsOn)) {
      let from = slots.get(id);
      if (from === undefined || from.layer >= to.layer) continue;
      while (from.layer + 1 < to.layer) {
        const passage: Slot = passages.get(from) ?? addSlot(null, from.layer + 1);
        if (!passages.has(from)) connect(from, passage);
        passages.set(from, passage);
        from = passage;
      }
      connect(from, to);
    }
  }
  return layers;
}

function connect(from: Slot, to: Slot): void {
  from.after.push(to);
  to.before.push(from);
}

const meanPlace = (slots: readonly Slot[], otherwise: number): number =>
  slots.length === 0 ? otherwise : slots.reduce((sum, slot) => sum + slot.place, 0) / slots.length;

/** Orders each layer by the mean place of its neighbours, to and fro, and keeps the order with the fewest crossings. */
function untangle(layers: Slot[][]): void {
  let best = layers.map((layer) => layer.slice());
  let fewest = crossingsOf(layers);
  for (let sweep = 0; sweep < SWEEPS.order && fewest > 0; sweep += 1) {
    const forward = sweep % 2 === 0;
    for (const layer of forward ? layers : layers.toReversed()) {
      const wish = new Map(
        layer.map((slot) => [slot, meanPlace(forward ? slot.before : slot.after, slot.place)] as const),
      );
      layer.sort((a, b) => (wish.get(a) ?? 0) - (wish.get(b) ?? 0));
      renumber(layer);
    }
    const crossings = crossingsOf(layers);
    if (crossings >= fewest) continue;
    fewest = crossings;
    best = layers.map((layer) => layer.slice());
  }
  for (const [index, layer] of best.entries()) {
    layers[index] = layer;
    renumber(layer);
  }
}

function renumber(layer: readonly Slot[]): void {
  for (const [place, slot] of layer.entries()) slot.place = place;
}

/** Two edges between the same layers cross when their ends stand in the opposite order of their starts. */
function crossingsOf(layers: readonly Slot[][]): number {
  let crossings = 0;
  for (const layer of layers) {
    // The ends so far, ascending: inserting one tells how many it should have come before.
    const ends: number[] = [];
    for (const { after } of layer) {
      for (const end of after.map((slot) => slot.place).sort((a, b) => a - b)) {
        const at = placeAfter(ends, end);
        crossings += ends.length - at;
        ends.splice(at, 0, end);
      }
    }
  }
  return crossings;
}

/** Where `value` goes in an ascending list, after its equals. */
function placeAfter(ascending: readonly number[], value: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// --- across: columns of boxes ---------------------------------------------------------------------------------------

interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly body: string;
}

const heightOf = (slot: Slot): number => (slot.step === null ? PASSAGE_HEIGHT : BOX.height) + BOX.gapDown;

function drawAcross(layers: readonly Slot[][]): Drawing {
  if (layers.length === 0) return { width: 2 * BOX.margin, height: 2 * BOX.margin, body: "" };
  align(layers);
  const all = layers.flat();
  const boxWidth = boxWidthFor(all);
  const leftOf = (slot: Slot): number => BOX.margin + slot.layer * (boxWidth + BOX.gapAcross);
  const ends = layers.flatMap((layer) => [layer.at(0), layer.at(-1)]).filter((slot) => slot !== undefined);
  const top = Math.min(...ends.map((slot) => slot.middle - heightOf(slot) / 2));
  const bottom = Math.max(...ends.map((slot) => slot.middle + heightOf(slot) / 2));
  const yOf = (slot: Slot): number => slot.middle - top - BOX.gapDown / 2 + BOX.margin;
  const edges = all.flatMap((slot) => {
    const right = leftOf(slot) + boxWidth;
    const through = slot.step === null ? [`M${xy(leftOf(slot), yOf(slot))}H${round(right)}`] : [];
    return [
      ...through,
      ...slot.after.map((next) => curveAcross(right, yOf(slot), leftOf(next), yOf(next), next)),
    ];
  });
  const boxes = all.map((slot) =>
    slot.step === null ? "" : box(slot.step, leftOf(slot), yOf(slot), boxWidth),
  );
  return {
    width: Math.ceil(2 * BOX.margin + layers.length * (boxWidth + BOX.gapAcross) - BOX.gapAcross),
    height: Math.ceil(2 * BOX.margin + bottom - top - BOX.gapDown),
    body: `<path class="dag-edge" d="${edges.join("")}"/>${boxes.join("")}`,
  };
}

/** Puts every slot as near to its neighbours as the others in its layer allow. */
function align(layers: readonly Slot[][]): void {
  for (const layer of layers) spread(layer);
  for (let sweep = 0; sweep < SWEEPS.align; sweep += 1) {
    for (const layer of sweep % 2 === 0 ? layers : layers.toReversed()) spread(layer);
  }
}

/** Long edges pull hardest, so that they run straight; a bend costs a reader more than a slant between two boxes. */
const PULL = { boxes: 1, boxAndPassage: 2, passages: 8 };

function wishOf(slot: Slot): number {
  let sum = 0;
  let weight = 0;
  for (const other of [...slot.before, ...slot.after]) {
    const passages = Number(slot.step === null) + Number(other.step === null);
    const pull = [PULL.boxes, PULL.boxAndPassage, PULL.passages][passages] ?? 0;
    sum += pull * other.middle;
    weight += pull;
  }
  return weight === 0 ? slot.middle : sum / weight;
}

/**
 * Sets the middles of a layer: in its order, none overlapping, with the least sum of squared distances from what the
 * slots wish. With the slots' own heights subtracted this is isotonic regression, solved by pooling adjacent violators.
 *
 * @see R. E. Barlow et al.: Statistical Inference under Order Restrictions, 1972
 */
function spread(layer: readonly Slot[]): void {
  const offsets: number[] = [];
  let offset = 0;
  for (const slot of layer) {
    offsets.push(offset + heightOf(slot) / 2);
    offset += heightOf(slot);
  }
  const pools: { sum: number; size: number }[] = [];
  for (const [index, slot] of layer.entries()) {
    let pool = { sum: wishOf(slot) - (offsets[index] ?? 0), size: 1 };
    for (
      let last = pools.at(-1);
      last !== undefined && last.sum / last.size > pool.sum / pool.size;
      last = pools.at(-1)
    ) {
      pool = { sum: pool.sum + last.sum, size: pool.size + last.size };
      pools.pop();
    }
    pools.push(pool);
  }
  const levels = pools.flatMap(({ sum, size }) => Array.from({ length: size }, () => sum / size));
  for (const [index, slot] of layer.entries()) slot.middle = (levels[index] ?? 0) + (offsets[index] ?? 0);
}

function boxWidthFor(slots: readonly Slot[]): number {
  const wanted = slots.map(({ step }) =>
    step === null
      ? 0
      : Math.max(step.stepId.length * CHARACTER_WIDTH.id, captionOf(step).length * CHARACTER_WIDTH.note),
  );
  const width = BOX.textLeft + wanted.reduce((widest, each) => Math.max(widest, each), 0) + 14;
  return Math.round(Math.min(Math.max(width, BOX.widthMin), BOX.widthMax));
}

/** An edge as a curve with level ends, and a head where it reaches a step. */
function curveAcross(fromX: number, fromY: number, toX: number, toY: number, to: Slot): string {
  const bend = (toX - fromX) / 2;
  const curve = `M${xy(fromX, fromY)}C${xy(fromX + bend, fromY)} ${xy(toX - bend, toY)} ${xy(toX, toY)}`;
  return to.step === null ? curve : `${curve}m-6 -4l6 4l-6 4`;
}

function box(step: StepStatus, left: number, middle: number, width: number): string {
  const top = round(middle - BOX.height / 2);
  const room = width - BOX.textLeft - 10;
  return [
    `<g class="dag-step dag-${lookOf(step)}"><title>${escaped(sentenceOf(step))}</title>`,
    `<rect class="dag-box" x="${round(left)}" y="${top}" width="${width}" height="${BOX.height}" rx="8"/>`,
    symbol(step, left + 21, middle),
    words(step, left + BOX.textLeft, middle, room),
    `</g>`,
  ].join("");
}

// --- down: a map of lanes -------------------------------------------------------------------------------------------

function drawDown(layers: readonly Slot[][]): Drawing {
  const lanes = Math.max(1, ...layers.map((layer) => layer.length));
  const lane = Math.min(LINE.lane, LINE.lanesMax / lanes);
  const xOf = (slot: Slot): number => LINE.marginLeft + slot.place * lane;
  // A layer's slots stand in different lanes, so a line that changes lanes only between layers meets no other step.
  const tops: number[] = [];
  const lines = new Map<Slot, number>();
  let y = LINE.marginTop;
  for (const layer of layers) {
    tops.push(y);
    for (const slot of layer) {
      lines.set(slot, slot.step === null ? y : y + LINE.height / 2);
      if (slot.step !== null) y += LINE.height;
    }
    y += LINE.gap;
  }
  const yOf = (slot: Slot): number => lines.get(slot) ?? 0;
  const all = layers.flat();
  const edges = all.flatMap((slot) =>
    slot.after.map((next) => {
      const end = tops[next.layer] ?? 0;
      const bend = end - LINE.gap;
      const middle = round((bend + end) / 2);
      const curve = `C${round(xOf(slot))} ${middle} ${round(xOf(next))} ${middle} ${xy(xOf(next), end)}`;
      return `M${xy(xOf(slot), yOf(slot))}V${round(bend)}${curve}V${round(yOf(next))}`;
    }),
  );
  const left = round(LINE.marginLeft + (lanes - 1) * lane + LINE.textGap);
  const steps = all.flatMap((slot) => {
    if (slot.step === null) return [];
    return [
      `<g class="dag-step dag-${lookOf(slot.step)}"><title>${escaped(sentenceOf(slot.step))}</title>`,
      symbol(slot.step, xOf(slot), yOf(slot)),
      words(slot.step, left, yOf(slot), LINE.width - left),
      `</g>`,
    ];
  });
  return {
    width: LINE.width,
    height: Math.max(0, y - LINE.gap) + LINE.marginTop,
    body: `<path class="dag-edge" d="${edges.join("")}"/>${steps.join("")}`,
  };
}

// --- how a step looks -----------------------------------------------------------------------------------------------

type Look = StepStatus["state"] | "cached";

const lookOf = (step: StepStatus): Look =>
  step.state === "completed" && step.cached ? "cached" : step.state;

/** Each state has a shape of its own, so that nobody has to tell colours apart. Drawn around the origin, radius 9. */
const SYMBOLS: Readonly<Record<Look, string>> = {
  pending: `<circle class="dag-hollow dag-dotted" r="8"/>`,
  ready: `<circle class="dag-hollow" r="8"/><circle class="dag-dot" r="2.5"/>`,
  running: `<circle class="dag-hollow" r="8"/><path class="dag-dot" d="M-2.5 -4L4.5 0L-2.5 4Z"/>`,
  completed: `<circle class="dag-full" r="9"/><path class="dag-sign" d="M-4 .5L-1.2 3.3L4.2 -3"/>`,
  cached: `<circle class="dag-full" r="9"/><path class="dag-sign" d="M4 -1.6A4.3 4.3 0 1 0 4 1.9M4.4 -4.9V-1.5H1"/>`,
  failed: `<circle class="dag-full" r="9"/><path class="dag-sign" d="M-3.4 -3.4L3.4 3.4M3.4 -3.4L-3.4 3.4"/>`,
  skipped: `<circle class="dag-hollow" r="8"/><path class="dag-mark" d="M-3.6 -3L-.6 0L-3.6 3M.8 -3L3.8 0L.8 3"/>`,
  cancelled: `<circle class="dag-hollow" r="8"/><path class="dag-mark" d="M-5.7 5.7L5.7 -5.7"/>`,
};

function symbol(step: StepStatus, x: number, y: number): string {
  return `<g transform="translate(${xy(x, y)})">${SYMBOLS[lookOf(step)]}</g>`;
}

function words(step: StepStatus, left: number, middle: number, room: number): string {
  const id = cut(step.stepId, room / CHARACTER_WIDTH.id);
  const caption = cut(captionOf(step), room / CHARACTER_WIDTH.note);
  return [
    `<text class="dag-id" x="${round(left)}" y="${round(middle - 3)}">${escaped(id)}</text>`,
    `<text class="dag-note" x="${round(left)}" y="${round(middle + 14)}">${escaped(caption)}</text>`,
  ].join("");
}

const captionOf = (step: StepStatus): string => `${step.action} · ${noteOf(step)}`;

function sentenceOf(step: StepStatus): string {
  const attempt = step.attempt > 1 ? `, attempt ${step.attempt}` : "";
  const reason = step.error === null ? "" : ` (${step.error.message})`;
  return `${step.stepId}, action ${step.action}: ${noteOf(step)}${attempt}${reason}`;
}

function noteOf(step: StepStatus): string {
  if (lookOf(step) === "cached") return "from cache";
  if (step.state === "running") return `running ${Math.floor(step.progress * 100)} %`;
  if (step.startedAtMs === null || step.endedAtMs === null) return step.state;
  const milliseconds = Math.max(0, Math.round(step.endedAtMs - step.startedAtMs));
  const duration = `${milliseconds.toLocaleString("en-US")} ms`;
  return step.state === "completed" ? duration : `${step.state} · ${duration}`;
}

/** A cut must not fall within an emoji or between a letter and its accent. */
const CHARACTERS = new Intl.Segmenter("en");

const cut = (text: string, characters: number): string => {
  const letters = Array.from(CHARACTERS.segment(text), ({ segment }) => segment);
  return letters.length <= characters
    ? text
    : `${letters.slice(0, Math.max(1, Math.floor(characters) - 1)).join("")}…`;
};

const round = (value: number): number => Math.round(value * 10) / 10;

const xy = (x: number, y: number): string => `${round(x)} ${round(y)}`;

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escaped = (text: string): string =>
  text.toWellFormed().replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);

/** Every colour is a custom property, so that a page can set its own on `svg.dag`. */
const STYLE = [
  `.dag{--dag-ink:#1d2329;--dag-soft:#5b646d;--dag-line:#8f989f;--dag-paper:#fff;--dag-done:#2c7a5a;`,
  `--dag-cached:#33658a;--dag-running:#9a6700;--dag-failed:#b3362b;font-family:system-ui,sans-serif}`,
  `@media(prefers-color-scheme:dark){.dag{--dag-ink:#eceae5;--dag-soft:#a8b0b7;--dag-line:#727b83;--dag-paper:#1d2125;`,
  `--dag-done:#5fbf95;--dag-cached:#7fb3d9;--dag-running:#e0b04a;--dag-failed:#f08a7d}}`,
  `.dag-edge{fill:none;stroke:var(--dag-line);stroke-width:1.5;stroke-linecap:round;stroke-linejoin:round}`,
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
