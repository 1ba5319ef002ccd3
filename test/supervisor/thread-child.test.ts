import { expect, it, onTestFinished } from "vitest";
import { handshakeOf } from "../../src/actor/index.ts";
import { LIMITS } from "../../src/errors/index.ts";
import { Presence } from "../../src/ring/index.ts";
import type { ChildSpec } from "../../src/supervisor/child.ts";
import { ThreadChild } from "../../src/supervisor/thread-child.ts";
import { createMetricsBlock } from "../../src/telemetry/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { manualClock, type ManualClock } from "../kit/manual-clock.ts";
import { partModule } from "./house.ts";
import { createJournal, entries } from "./modules/journal.ts";
import { Part, type Trouble } from "./modules/part.protocol.ts";

failOnLeaks();

interface Kit {
  readonly child: ThreadChild;
  readonly spec: ChildSpec;
  readonly clock: ManualClock;
  /** What it told its supervisor. */
  readonly ends: unknown[];
  readonly journal: Uint8Array;
}

function open(trouble?: Trouble): Kit {
  const journal = createJournal();
  const spec: ChildSpec = {
    name: "part",
    handshake: handshakeOf(Part),
    module: partModule,
    init: { id: 0, journal, ...(trouble && { trouble }) },
    calls: [],
    placement: "thread",
    restart: "permanent",
    startTimeoutMs: 1_000,
    shutdownMs: 500,
    youngHeapMb: 16,
    mailbox: {},
    metrics: createMetricsBlock().buffer,
    shared: null,
    slot: 1,
  };
  const clock = manualClock();
  const ends: unknown[] = [];
  const child = new ThreadChild(spec, Presence.create(), clock, (reason) => ends.push(reason));
  onTestFinished(() => child.kill());
  return { child, spec, clock, ends, journal };
}

it("does not wait longer for the health of a blocked thread than for any answer", async () => {
  const { child, spec, clock, journal } = open("setup blocks");
  const starting = child.start(spec, 1).catch((error: unknown) => error);
  const asking = child.health().catch((error: unknown) => error);
  while (entries(journal).length === 0) await new Promise((resolve) => void setImmediate(resolve));
  await clock.advance(LIMITS.supervisor.answerMs);
  expect(await asking).toMatchObject({ code: "DEADLINE_EXCEEDED", details: { what: "part: its health" } });
  expect(await starting).toMatchObject({ code: "DEADLINE_EXCEEDED", details: { what: "part: its setup" } });
});

it("ends everything that waits for it when it dies, and says why once", async () => {
  const { child, spec, clock, ends } = open();
  await child.start(spec, 1);
  await Promise.all([child.kill(), child.kill()]);
  expect(ends).toMatchObject([{ code: "UNAVAILABLE", details: { what: "the thread of part" } }]);
  await expect(child.health()).rejects.toMatchObject({ code: "ACTOR_START_FAILED" });
  await child.disconnect(1, { code: "ACTOR_STOPPED", message: "", details: {} });
  await child.dismiss("other", { code: "ACTOR_STOPPED", message: "", details: {} });
  await child.stop();
  expect(clock.pending).toBe(0);
  expect(ends).toHaveLength(1);
});

it("says nothing when it ends because it was asked to, and can be stopped before it was started", async () => {
  const { child, ends, clock } = open();
  await Promise.all([child.stop(), clock.advance(0)]);
  expect(ends).toEqual([]);
});
