import { expect, it } from "vitest";
import { Router, type ToolMeasurement } from "../../src/router/index.ts";
import behaviour from "../../workers/router.actor.ts";
import { fakeActor, fakeMessage } from "../kit/actor-context.ts";

const MEASURED: ToolMeasurement = {
  tool: "task_submit",
  runtime: "p2p",
  by: "cache",
  durationMs: 1,
  ok: true,
};

it("the router answers with the figures of what was reported to it, and its health counts what it refused", async () => {
  const fake = fakeActor(Router);
  const router = await behaviour.setup(fake.context);
  const message = fakeMessage();
  await router.measured(
    [
      { ...MEASURED, durationMs: 4 },
      { ...MEASURED, durationMs: -4 },
    ],
    message,
  );
  expect(await router.figures(undefined, message)).toMatchObject([
    { tool: "task_submit", calls: 1, p50Ms: 4 },
  ]);
  expect(await router.stats(undefined, message)).toEqual({ tools: 1, measured: 1, failures: 0, refused: 1 });
  expect(fake.health()).toEqual({ tools: 1, measured: 1, failures: 0, refused: 1 });
});

it("a reset forgets everything that was measured", async () => {
  const fake = fakeActor(Router);
  const router = await behaviour.setup(fake.context);
  const message = fakeMessage();
  await router.measured([MEASURED], message);
  await router.reset(undefined, message);
  expect(await router.figures(undefined, message)).toEqual([]);
  expect(await router.runtimes(undefined, message)).toEqual([]);
  expect(await router.detections(undefined, message)).toMatchObject({ detections: 0, cacheHits: 0 });
  expect(fake.health()).toEqual({ tools: 0, measured: 0, failures: 0, refused: 0 });
});
