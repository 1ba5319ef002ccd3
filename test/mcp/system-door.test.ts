import { expect, it } from "vitest";
import { fault, type Fault } from "../../src/errors/index.ts";
import { openDoor } from "../../src/mcp/system-door.ts";
import type { System } from "../../src/system/index.ts";
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
  const door = openDoor(counted.open);
  expect(counted.attempts).toBe(1);
  expect(await Promise.all([door.opened(signal), door.opened(signal)])).toEqual([system, system]);
  expect(counted.attempts).toBe(1);
});

it("says why a system cannot be opened, and tries again with the next call", async () => {
  const { system } = fakeSystem();
  const broken = fault("STORE_CORRUPT", { path: "queue.sqlite", why: "it is no database" });
  const door = openDoor(opening(broken, broken, system).open);
  await expect(door.opened(signal)).rejects.toBe(broken);
  await expect(door.opened(signal)).rejects.toBe(broken);
  expect(await door.opened(signal)).toBe(system);
});

it("stops waiting for the system when its caller does, and the others go on", async () => {
  const { system } = fakeSystem();
  const opened = Promise.withResolvers<System>();
  const door = openDoor(() => opened.promise);
  const controller = new AbortController();
  const impatient = door.opened(controller.signal);
  const patient = door.opened(signal);
  controller.abort();
  await expect(impatient).rejects.toMatchObject({ code: "CANCELLED" });
  await expect(door.opened(controller.signal)).rejects.toMatchObject({ code: "CANCELLED" });
  opened.resolve(system);
  expect(await patient).toBe(system);
});

it("closes a system that cannot be kept up, and opens another for the next call", async () => {
  const first = fakeSystem();
  const second = fakeSystem();
  const door = openDoor(opening(first.system, second.system).open);
  expect(await door.opened(signal)).toBe(first.system);
  first.fail(fault("ACTOR_STOPPED", { actor: "the system" }));
  await microtasksDrained();
  expect(first.fake.closed).toBe(1);
  expect(await door.opened(signal)).toBe(second.system);
});

it("reports to a system that is there, and to nobody else", async () => {
  const { system } = fakeSystem();
  const told: System[] = [];
  const door = openDoor(opening(owned, system).open);
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
  const door = openDoor(opening(system).open);
  await door.close();
  expect(fake.closed).toBe(1);
  await expect(door.opened(signal)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await openDoor(opening(owned).open).close();
});
