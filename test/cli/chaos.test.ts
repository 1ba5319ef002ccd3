import { expect, it } from "vitest";
import { openDrill, parseChaos } from "../../src/cli/chaos.ts";
import type { System } from "../../src/system/index.ts";

type Watched = Pick<System, "kill" | "health">;

/** A system whose killed actor goes through these states, one a look; then it is gone. */
function fakeSystem(...epochs: { state: string; epoch: number }[]) {
  const killed: string[] = [];
  const system: Watched = {
    kill: async (name) => void killed.push(name),
    health: async () => {
      const now = epochs.shift();
      const actors = [
        { name: "cache", state: "running", epoch: 1 },
        ...(now ? [{ name: "queue", ...now }] : []),
      ];
      return { actors } as unknown as Awaited<ReturnType<Watched["health"]>>;
    },
  };
  return { system, killed };
}

const CHAOS = parseChaos("queue@40%");

it("a drill kills its actor once, at its place in the run, and ends when the actor is up again", async () => {
  const { system, killed } = fakeSystem({ state: "starting", epoch: 2 }, { state: "running", epoch: 2 });
  const notes: string[] = [];
  const drill = openDrill(system, CHAOS, (text) => void notes.push(text));
  drill.tell({ progress: 0.39 });
  expect(killed).toEqual([]);
  drill.tell({ progress: 0.4 });
  drill.tell({ progress: 0.9 });
  expect(killed).toEqual(["queue"]);
  expect(await drill.settled()).toEqual(["queue"]);
  expect(notes).toEqual(["drill: killing queue at 40 %"]);
});

it("a drill whose place never comes says so, and none needs no place", async () => {
  const { system, killed } = fakeSystem();
  const notes: string[] = [];
  const drill = openDrill(system, CHAOS, (text) => void notes.push(text));
  drill.tell({ progress: 0.1 });
  expect(await drill.settled()).toEqual([]);
  expect(notes).toEqual(["drill: the run never reached 40 %"]);
  const none = openDrill(system, undefined, (text) => void notes.push(text));
  none.tell({ progress: 1 });
  expect(await none.settled()).toEqual([]);
  expect(killed).toEqual([]);
});

it("a drill does not wait for an actor that will not come back, and tells when it could not kill", async () => {
  const { system } = fakeSystem();
  const drill = openDrill(system, CHAOS, () => undefined);
  drill.tell({ progress: 1 });
  expect(await drill.settled()).toEqual([]);
  const kill = (): Promise<never> => Promise.reject(new Error("no such actor"));
  const failing = openDrill({ ...system, kill }, CHAOS, () => undefined);
  failing.tell({ progress: 1 });
  await expect(failing.settled()).rejects.toThrow("no such actor");
});
