import { describe, it } from "vitest";
import { meshThatFades } from "./kit/mesh-that-fades.ts";

describe("a mesh of eight", () => {
  it("finds itself by a file, spreads workflows, and ends each with the right result while nodes are killed", async () => {
    await meshThatFades({ workers: 7, killed: 3 });
  }, 120_000);
});
