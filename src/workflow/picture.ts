import { LIMITS } from "../errors/index.ts";
import { checkInteger } from "../schema/index.ts";
import { firstOf, layersOf, untangle, wayThrough, type Slot } from "./picture-layers.ts";
import {
  CHARACTER_WIDTH,
  STYLE,
  captionOf,
  escaped,
  lookOf,
  noteOf,
  round,
  sentenceOf,
  symbol,
  words,
  xy,
  type PictureStep,
} from "./picture-step.ts";

/**
 * Draws steps and their dependencies as an SVG element for an HTML page: a layered drawing after Sugiyama, in two forms. On a
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
  /** Ids of the steps of a path, in its order, that is to stand out. */
  readonly critical?: readonly string[];
  /** How many steps, dependencies first. Default and most: `LIMITS.workflow.dagPicturedSteps`. */
  readonly stepsMax?: number;
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
  rest: 24,
  restUp: 10,
};
const SWEEPS = 24;

/**
 * Steps and their dependencies as an `<svg>` element, for an HTML page.
 *
 * @param steps such as those of the status of a run. Dependencies on steps that are not among them, and those that close a
 *   cycle, are left out of the drawing. Steps above `stepsMax` are counted below it.
 * @throws INVALID_ARGUMENT
 */
export function dagPicture(steps: readonly PictureStep[], options: DagPictureOptions = {}): string {
  const most = LIMITS.workflow.dagPicturedSteps;
  const { direction = "across", title = "Steps and their dependencies", critical = [] } = options;
  const { stepsMax = most } = options;
  checkInteger("stepsMax", stepsMax, 1, most);
  const shown = firstOf(steps, stepsMax);
  const layers = layersOf(shown);
  untangle(layers);
  const way = wayThrough(critical, layers);
  const drawing = direction === "across" ? drawAcross(layers, way) : drawDown(layers, way);
  const rest = steps.length - shown.length;
  const { width, height, body } = rest === 0 ? drawing : withLine(drawing, restText(rest));
  const spoken = [...shown.map(spokenOf), ...(rest === 0 ? [] : [restText(rest)])].join("; ");
  return [
    `<svg class="dag" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`,
    ` aria-label="${escaped(steps.length === 0 ? title : `${title}. ${spoken}`)}">`,
    `<style>${STYLE}</style>${body}</svg>`,
  ].join("");
}

/** The critical path is drawn over the other edges. */
function edgePaths(edges: readonly Edge[]): string {
  const path = (className: string, isCritical: boolean): string => {
    const parts = edges.filter((edge) => edge.isCritical === isCritical).map((edge) => edge.d);
    return isCritical && parts.length === 0 ? "" : `<path class="${className}" d="${parts.join("")}"/>`;
  };
  return path("dag-edge", false) + path("dag-edge dag-critical", true);
}

interface Edge {
  readonly d: string;
  readonly isCritical: boolean;
}

function spokenOf(step: PictureStep): string {
  const note = noteOf(step);
  return note === "" ? step.stepId : `${step.stepId}: ${note}`;
}

const restText = (steps: number): string =>
  `${steps.toLocaleString("en-US")} more ${steps === 1 ? "step is" : "steps are"} not shown`;

function withLine({ width, height, body }: Drawing, text: string): Drawing {
  const line = `<text class="dag-note" x="${BOX.margin}" y="${height + LINE.restUp}">${escaped(text)}</text>`;
  return { width: Math.max(width, LINE.width), height: height + LINE.rest, body: body + line };
}

// --- across: columns of boxes ---------------------------------------------------------------------------------------

interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly body: string;
}

const heightOf = (slot: Slot): number => (slot.step === null ? PASSAGE_HEIGHT : BOX.height) + BOX.gapDown;

function drawAcross(layers: readonly Slot[][], way: ReadonlyMap<Slot, Slot>): Drawing {
  if (layers.length === 0) return { width: 2 * BOX.margin, height: 2 * BOX.margin, body: "" };
  align(layers);
  const all = layers.flat();
  const boxWidth = boxWidthFor(all);
  const leftOf = (slot: Slot): number => BOX.margin + slot.layer * (boxWidth + BOX.gapAcross);
  const ends = layers.flatMap((layer) => [layer.at(0), layer.at(-1)]).filter((slot) => slot !== undefined);
  const top = Math.min(...ends.map((slot) => slot.middle - heightOf(slot) / 2));
  const bottom = Math.max(...ends.map((slot) => slot.middle + heightOf(slot) / 2));
  const yOf = (slot: Slot): number => slot.middle - top - BOX.gapDown / 2 + BOX.margin;
  const edges = all.flatMap((slot): Edge[] => {
    const right = leftOf(slot) + boxWidth;
    const through = { d: `M${xy(leftOf(slot), yOf(slot))}H${round(right)}`, isCritical: way.has(slot) };
    return [
      ...(slot.step === null ? [through] : []),
      ...slot.after.map((next) => ({
        d: curveAcross(right, yOf(slot), leftOf(next), yOf(next), next),
        isCritical: way.get(slot) === next,
      })),
    ];
  });
  const boxes = all.map((slot) =>
    slot.step === null ? "" : box(slot.step, leftOf(slot), yOf(slot), boxWidth),
  );
  return {
    width: Math.ceil(2 * BOX.margin + layers.length * (boxWidth + BOX.gapAcross) - BOX.gapAcross),
    height: Math.ceil(2 * BOX.margin + bottom - top - BOX.gapDown),
    body: edgePaths(edges) + boxes.join(""),
  };
}

/** Puts every slot as near to its neighbours as the others in its layer allow. */
function align(layers: readonly Slot[][]): void {
  for (const layer of layers) spread(layer);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const layer of sweep % 2 === 0 ? layers : layers.toReversed()) spread(layer);
  }
  closeGaps(layers.flat());
}

/** Parts that nothing joins do not pull at each other, so they stop wherever the sweeps have pushed them. */
function closeGaps(slots: readonly Slot[]): void {
  let gap = 0;
  let bottom = Infinity;
  for (const slot of slots.toSorted((a, b) => topOf(a) - topOf(b))) {
    gap += Math.max(0, topOf(slot) - bottom);
    const end = topOf(slot) + heightOf(slot);
    bottom = bottom === Infinity ? end : Math.max(bottom, end);
    slot.middle -= gap;
  }
}

const topOf = (slot: Slot): number => slot.middle - heightOf(slot) / 2;

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

function box(step: PictureStep, left: number, middle: number, width: number): string {
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

function drawDown(layers: readonly Slot[][], way: ReadonlyMap<Slot, Slot>): Drawing {
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
    slot.after.map((next): Edge => {
      const end = tops[next.layer] ?? 0;
      const bend = end - LINE.gap;
      const middle = round((bend + end) / 2);
      const curve = `C${round(xOf(slot))} ${middle} ${round(xOf(next))} ${middle} ${xy(xOf(next), end)}`;
      const d = `M${xy(xOf(slot), yOf(slot))}V${round(bend)}${curve}V${round(yOf(next))}`;
      return { d, isCritical: way.get(slot) === next };
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
    body: edgePaths(edges) + steps.join(""),
  };
}
