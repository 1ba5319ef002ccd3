import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StepIndex, hashOf } from "../../src/workflow/step-index.ts";

/** Ids that all belong in one place of a table for as many. */
function colliding(count: number): string[] {
  const mask = 2 ** Math.ceil(Math.log2(count * 2)) - 1;
  const found: string[] = [];
  for (let at = 0; found.length < count; at++) if ((hashOf(`k${at}`) & mask) === 7) found.push(`k${at}`);
  return found;
}

function isLikeAMap(ids: readonly string[], asked: readonly string[]): void {
  const index = new StepIndex(ids.length);
  const map = new Map<string, number>();
  for (const [at, id] of ids.entries()) {
    expect(index.add(id)).toBe(map.get(id) ?? at);
    if (!map.has(id)) map.set(id, at);
  }
  expect(asked.map((id) => index.find(id))).toEqual(asked.map((id) => map.get(id)));
  const lists = [asked, [], ids];
  expect([...index.findAll(lists, asked.length + ids.length)]).toEqual(
    lists.flat().map((id) => map.get(id) ?? -1),
  );
}

describe("the index of ids", () => {
  it("numbers ids as a map of their first places does", () => {
    const id = fc.oneof(fc.string({ maxLength: 3 }), fc.constantFrom("a", "b", "__proto__", "", "\u{1f600}"));
    fc.assert(fc.property(fc.array(id), fc.array(id), isLikeAMap));
  });

  it("numbers ids that were made to collide as any others, in a table and beyond", () => {
    for (const count of [100, 600]) {
      const ids = colliding(count);
      isLikeAMap([...ids, ...ids.slice(-50)], [...ids.toReversed(), "k-absent", ...ids]);
    }
  });
});
