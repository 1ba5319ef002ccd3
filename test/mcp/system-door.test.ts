import { expect, it } from "vitest";
import { fault, type Fault } from "../../src/errors/index.ts";
import { openDoor } from "../../src/mcp/system-door.ts";
import type { System } from "../../src/system/index.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

const owned = fault("STORE_OWNED", { path: "queue.sqlite", owner: "process 7" });
const signal = new AbortController().signal;

/** A system as far as a door looks at it. */
function fakeSystem() {
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  const fake = { closed: 0, fail: (error: Fault) => failure.reject(error) };
  const system = {
    failed: failure.promise,
    close: async () => {
      fake.closed += 1;
    },
  };
  return { ...fake, fake, system: system as unknown as System };
}

/** Opens what the list says, in turn; the last one again and again. */
function opening(...outcomes: (System | Fault)[]) {
  const counted = {
    attempts: 0,
    open: async (): Promise<System> => {
      const outcome = outcomes[Math.min(counted.attempts, outcomes.length - 1)];
      counted.attempts += 1;
      if (outcome instanceof Error || outcome === undefined) throw outcome ?? owned;
      return outcome;
    },
  };
  return counted;
}

it("begins to open at once, and opens one system for all calls", async () => {
  const { system } = fakeSystem();
  const counted = opening(system);
  const door = openDoor(counted.open, manualClock());
  expect(counted.attempts).toBe(1);
  expect(await Promise.all([door.opened(signal), door.opened(signal)])).toEqual([system, system]);
  expect(counted.attempts).toBe(1);
});

it("says why a system cannot be opened, and tries again with the next call", async () => {
  const { system } = fakeSystem();
  const broken = fault("STORE_CORRUPT", { path: "queue.sqlite", why: "it is no database" });
  const door = openDoor(opening(broken, broken, system).open, manualClock());
  await expect(door.opened(signal)).rejects.toBe(broken);
  await expect(door.opened(signal)).rejects.toBe(broken);
  expect(await door.opened(signal)).toBe(system);
});

it("waits for an owner to leave, for five seconds at most", async () => {
  const { system } = fakeSystem();
  const clock = manualClock();
  const patient = openDoor(opening(owned, owned, owned, system).open, clock).opened(signal);
  await clock.advance(1_000);
  expect(await patient).toBe(system);

  const refused = openDoor(opening(owned).open, clock).opened(signal);
  refused.catch(() => undefined);
  await clock.advance(5_100);
  await expect(refused).rejects.toBe(owned);
  expect(clock.pending).toBe(0);
});

it("stops waiting for an owner when its caller does", async () => {
  const controller = new AbortController();
  const clock = manualClock();
  const waiting = openDoor(opening(owned).open, clock).opened(controller.signal);
  await microtasksDrained();
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
  const late = openDoor(opening(owned).open, clock).opened(controller.signal);
  await expect(late).rejects.toMatchObject({ code: "CANCELLED" });
  expect(clock.pending).toBe(0);
});

it("closes a system that cannot be kept up, and opens another for the next call", async () => {
  const first = fakeSystem();
  const second = fakeSystem();
  const door = openDoor(opening(first.system, second.system).open, manualClock());
  expect(await door.opened(signal)).toBe(first.system);
  first.fail(fault("ACTOR_STOPPED", { actor: "the system" }));
  await microtasksDrained();
  expect(first.fake.closed).toBe(1);
  expect(await door.opened(signal)).toBe(second.system);
});

it("reports to a system that is there, and to nobody else", async () => {
  const { system } = fakeSystem();
  const told: System[] = [];
  const door = openDoor(opening(owned, system).open, manualClock());
  door.report((each) => void told.push(each));
  await microtasksDrained();
  door.report((each) => void told.push(each));
  await door.opened(signal);
  door.report((each) => void told.push(each));
  await microtasksDrained();
  expect(told).toEqual([system]);
});

it("closes what it has opened, also what is still being opened, and refuses calls from then on", async () => {
  const { system, fake } = fakeSystem();
  const door = openDoor(opening(system).open, manualClock());
  await door.close();
  expect(fake.closed).toBe(1);
  await expect(door.opened(signal)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await openDoor(opening(owned).open, manualClock()).close();
});
