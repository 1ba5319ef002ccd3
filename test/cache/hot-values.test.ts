import { describe, expect, it } from "vitest";
import { HotValues } from "../../src/cache/hot-values.ts";

const bytes = (length: number): Uint8Array => new Uint8Array(length);

describe("the values kept in memory", () => {
  it("are as many as fit, and the one not used for the longest time leaves first", () => {
    const hot = new HotValues(10);
    hot.keep(1, bytes(4));
    hot.keep(2, bytes(4));
    expect(hot.get(1)).toHaveLength(4);
    hot.keep(3, bytes(6));
    expect([1, 2, 3].map((id) => hot.get(id)?.length)).toEqual([4, undefined, 6]);
  });

  it("do not leave for one that is larger than their whole room", () => {
    const hot = new HotValues(10);
    hot.keep(1, bytes(10));
    hot.keep(2, bytes(11));
    expect(hot.get(1)).toHaveLength(10);
    expect(hot.get(2)).toBeUndefined();
  });

  it("give their room back when they are forgotten or replaced", () => {
    const hot = new HotValues(10);
    hot.keep(1, bytes(9));
    hot.keep(1, bytes(5));
    hot.keep(2, bytes(5));
    expect(hot.get(1)).toHaveLength(5);
    hot.forget(1);
    hot.forget(1);
    hot.keep(3, bytes(5));
    expect([1, 2, 3].map((id) => hot.get(id)?.length)).toEqual([undefined, 5, 5]);
  });
});
