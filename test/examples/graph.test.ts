import { expect, it } from "vitest";
import { chart, lengthMs, savedMs } from "../../docs/examples/graph.ts";

it("the example of a graph finds what its comments say", () => {
  expect([lengthMs, savedMs]).toEqual([1_350, 450]);
  expect(chart).toMatch(/^flowchart LR\n {2}n0\["fetch<br\/>400 ms"\]\n/);
});
