import { expect, it } from "vitest";
import { failOnLeaks } from "../kit/leak-check.ts";
import { openSimulated } from "../kit/simulated.ts";
import { openHouse, partModule } from "./house.ts";
import { actorsOf, createJournal, entries } from "./modules/journal.ts";
import { Part } from "./modules/part.protocol.ts";

/*
 * An inline actor cannot be terminated: its promises run on. These are the laws of what they can still do, which is
 * nothing.
 */
failOnLeaks();

it("gives back at once what a setup opens after its actor's death", async () => {
  const { part, supervisor, drive, happened } = await openHouse("simulation");
  const starting = part(0, { trouble: "setup opens late" }).catch((error: unknown) => error);
  while (happened().length === 0) await drive(supervisor.health());
  await drive(supervisor.kill("part-0"));
  expect(await drive(starting)).toMatchObject({ code: "ACTOR_START_FAILED" });
  // The first release is that of before the kill; no cleanup runs, and the late release runs where it is registered.
  expect(happened()).toEqual(["begun 0", "exit 0", "abort 0", "late 0", "exit 0", "up 0"]);
});

it("does not take the setup of a dead life that ends late for that of the next", async () => {
  const { part, supervisor, drive, whoDid } = await openHouse("simulation");
  const ref = await part(0, { trouble: "setup opens late again" });
  await drive(supervisor.kill("part-0"));
  let up = false;
  const ready = ref.ready().then(
    () => (up = true),
    () => undefined,
  );
  while (whoDid("begun").length < 1) await drive(supervisor.health());
  await drive(supervisor.kill("part-0"));
  while (whoDid("begun").length < 2) await drive(supervisor.health());
  expect(whoDid("up"), "the dead one's setup has ended").toHaveLength(2);
  expect(await drive(supervisor.health())).toMatchObject([{ state: "starting", epoch: 3 }]);
  expect(up).toBe(false);
  await drive(supervisor.close());
  await ready;
});

it("lets nothing out that the listeners of its signal send when it is killed", async () => {
  const { part, supervisor, drive, eventually } = await openHouse("simulation");
  const other = await part(0);
  const crying = await part(1, { trouble: "cries at its end", calls: ["part-0"] });
  await drive(supervisor.kill("part-1"));
  expect(await eventually(crying, () => crying.call.epoch())).toBe(2);
  expect(await eventually(other, () => other.call.epoch()), "it has heard no cry").toBe(1);
});

it("runs the releases of a killed actor before its next life begins, and those of a crashed one", async () => {
  const { part, supervisor, drive, eventually, happened } = await openHouse("simulation");
  const ref = await part(0);
  await drive(supervisor.kill("part-0"));
  ref.cast.crash();
  expect(await eventually(ref, () => ref.call.epoch())).toBe(3);
  expect(happened()).toEqual(["up 0", "exit 0", "abort 0", "up 0", "exit 0", "abort 0", "up 0"]);
});

it("fires the timers of the living, and neither timers nor turns of the dead", async () => {
  await using simulated = await openSimulated({ modules: [partModule] });
  const { supervisor, drive, clock } = simulated;
  const journal = createJournal();
  const spawn = { name: "part-0", module: partModule, restart: "temporary" } as const;
  const init = { id: 0, journal, trouble: "has timers" } as const;
  await drive(supervisor.spawn(Part, { ...spawn, init }));
  await clock.advance(10);
  expect(entries(journal)).toEqual(["up 0", "late 0"]);
  await drive(supervisor.kill("part-0"));
  await drive(supervisor.spawn(Part, { ...spawn, init: { ...init, id: 1 } }));
  await drive(supervisor.kill("part-0"));
  await clock.advance(1_000);
  while (await simulated.scheduler.step());
  expect(actorsOf(journal, "late")).toEqual([0]);
});
