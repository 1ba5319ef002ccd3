import { describe, expect, it } from "vitest";
import { failOnLeaks } from "../kit/leak-check.ts";
import { PLACEMENTS, openStage } from "./stage.ts";

failOnLeaks();

describe.each(PLACEMENTS)("a cast to an actor that lives %s", (placement) => {
  it("whose handler throws a fault is counted as failed, since no caller hears of it", async () => {
    const { counter, supervisor, drive } = await openStage(placement);
    counter.cast.note({ text: "well" });
    counter.cast.explode({ how: "fault" });
    expect(await drive(counter.call.epoch()), "a fault is no crash").toBe(1);
    expect(supervisor.metrics().counters.castsFailed).toBe(1);
  });
});
