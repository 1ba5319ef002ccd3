import { expect, it } from "vitest";
import { Router } from "../../src/router/index.ts";
import behaviour from "../../workers/router.actor.ts";
import { fakeActor, fakeMessage } from "../kit/actor-context.ts";

it("the router answers with the figures of what was reported to it, and its health counts what it refused", async () => {
  const fake = fakeActor(Router);
  const router = await behaviour.setup(fake.context);
  const message = fakeMessage();
  await router.measured({ tool: "task_submit", durationMs: 4, ok: true }, message);
  await router.measured({ tool: "task_submit", durationMs: -4, ok: true }, message);
  expect(await router.figures(undefined, message)).toMatchObject([
    { tool: "task_submit", calls: 1, p50Ms: 4 },
  ]);
  expect(await router.stats(undefined, message)).toEqual({ tools: 1, measured: 1, refused: 1 });
  expect(fake.health()).toEqual({ tools: 1, measured: 1, refused: 1 });
});
