import type { PictureStep } from "./picture-step.ts";

const SWEEPS = 8;

/** A step's place in its layer; or, without a step, the place where an edge passes the layer on its way. */
export interface Slot {
  readonly step: PictureStep | null;
  readonly layer: number;
  readonly before: Slot[];
  readonly after: Slot[];
  /** Index within the layer. */
  place: number;
  /** Middle of the slot, across the direction of the layers. */
  middle: number;
}

/** A step's layer is the length of the longest way to it, so that every edge points to a later layer. */
function ranksOf(steps: readonly PictureStep[]): Map<string, number> {
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

/** Whoever depends on a step comes after it, and goes first when there is not room for all. */
export function firstOf(steps: readonly PictureStep[], most: number): readonly PictureStep[] {
  if (steps.length <= most) return steps;
  const ranks = ranksOf(steps);
  const first = steps.toSorted((a, b) => (ranks.get(a.stepId) ?? 0) - (ranks.get(b.stepId) ?? 0));
  const kept = new Set(first.slice(0, most));
  return steps.filter((step) => kept.has(step));
}

export function layersOf(steps: readonly PictureStep[]): Slot[][] {
  const ranks = ranksOf(steps);
  const layers: Slot[][] = [];
  const addSlot = (step: PictureStep | null, layer: number): Slot => {
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
export function untangle(layers: Slot[][]): void {
  let best = layers.map((layer) => layer.slice());
  let fewest = crossingsOf(layers);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep += 1) {
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

/** Where the line goes on from a slot, on the way through these steps; far edges go through passages. */
export function wayThrough(ids: readonly string[], layers: readonly Slot[][]): Map<Slot, Slot> {
  const slots = new Map<string, Slot>();
  for (const slot of layers.flat()) if (slot.step !== null) slots.set(slot.step.stepId, slot);
  const way = new Map<Slot, Slot>();
  for (const [at, id] of ids.entries()) {
    const to = slots.get(ids[at + 1] ?? "");
    let from = slots.get(id);
    if (to === undefined || from === undefined || !to.step?.dependsOn.includes(id)) continue;
    while (from !== undefined && from !== to) {
      const next: Slot | undefined = from.after.includes(to)
        ? to
        : from.after.find((slot) => slot.step === null);
      if (next !== undefined) way.set(from, next);
      from = next;
    }
  }
  return way;
}
