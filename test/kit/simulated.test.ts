import { expect, it } from "vitest";
import { Counter } from "../actor/modules/counter.protocol.ts";
import { counterModule } from "../actor/stage.ts";
import { failOnLeaks } from "./leak-check.ts";
import { openSimulated } from "./simulated.ts";

failOnLeaks();

const options = { module: counterModule, init: { limit: 10 } };

it("settles like the promise that drives it", async () => {
  await using simulated = await openSimulated();
  const { drive } = simulated;
  expect(await drive(Promise.resolve(7))).toBe(7);
  await expect(drive(Promise.reject(new Error("no")))).rejects.toThrow("no");
});

it("lets time go on only when nothing is ready, and then to the next timer", async () => {
  await using simulated = await openSimulated({ modules: [counterModule] });
  const { drive, clock, supervisor } = simulated;
  const counter = await drive(supervisor.spawn(Counter, options));
  expect(await drive(counter.call.add({ by: 1 }))).toBe(1);
  expect(clock.now(), "nobody had to wait").toBe(0);
  const order: string[] = [];
  clock.at(70, () => order.push("timer"));
  await drive(counter.call.wait(undefined, { timeoutMs: 100 }).catch(() => order.push("deadline")));
  expect(order).toEqual(["timer", "deadline"]);
  expect(clock.now()).toBe(100);
});

it("moves nothing while nobody drives", async () => {
  await using simulated = await openSimulated({ modules: [counterModule] });
  const { drive, supervisor, scheduler } = simulated;
  const counter = await drive(supervisor.spawn(Counter, options));
  while (await scheduler.step());
  let answered = false;
  const answer = counter.call.total().finally(() => (answered = true));
  await new Promise((resolve) => void setImmediate(resolve));
  expect(answered).toBe(false);
  await drive(answer);
});

it("says so when nothing can happen any more", async () => {
  await using simulated = await openSimulated();
  await expect(simulated.drive(new Promise(() => undefined))).rejects.toThrow("has not settled");
});

it("says so when too much happens", async () => {
  await using simulated = await openSimulated();
  const { drive, scheduler } = simulated;
  let busy = true;
  const again = (): void => void (busy && scheduler.schedule(again));
  again();
  await expect(drive(new Promise(() => undefined), 50)).rejects.toThrow("not settled after 50 turns");
  busy = false;
});

it("takes the same course with the same seed", async () => {
  const course = async (seed: number): Promise<string> => {
    await using simulated = await openSimulated({ modules: [counterModule], seed });
    const { drive, supervisor } = simulated;
    const names = ["a", "b", "c", "d"];
    const order: string[] = [];
    const counters = await Promise.all(
      names.map(
        async (name) => [name, await drive(supervisor.spawn(Counter, { ...options, name }))] as const,
      ),
    );
    const answers = counters.map(([name, counter]) => counter.call.total().then(() => order.push(name)));
    await drive(Promise.all(answers));
    return order.join("");
  };
  const courses = await Promise.all([1, 2, 3, 4, 5, 6].map((seed) => course(seed)));
  expect(await Promise.all([1, 2, 3, 4, 5, 6].map((seed) => course(seed)))).toEqual(courses);
  expect(new Set(courses).size, "and another course with another seed").toBeGreaterThan(1);
});

it("collects what is logged", async () => {
  await using simulated = await openSimulated({ modules: [counterModule] });
  const { drive, supervisor, logged } = simulated;
  await drive(supervisor.spawn(Counter, options));
  expect(logged).toEqual([]);
  await drive(supervisor.kill("counter"));
  expect(logged.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { level: "warn", message: "an actor died", actor: "counter" },
  ]);
});
