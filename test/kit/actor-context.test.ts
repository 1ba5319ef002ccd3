import { describe, expect, it } from "vitest";
import { actor, call, event, protocol } from "../../src/actor/index.ts";
import { fakeActor, fakeMessage } from "./actor-context.ts";
import { seededRandom } from "./seeded-random.ts";
import { seededScheduler } from "./seeded-scheduler.ts";

const Lamp = protocol("lamp", { toggle: call<void, boolean>(), switched: event<{ on: boolean }>() });

const lampBehaviour = actor(Lamp, (context) => {
  let on = false;
  context.reportHealth(() => ({ on, epoch: context.epoch }));
  return {
    toggle() {
      on = !on;
      context.emit.switched({ on });
      context.log.info("switched", { on });
      return on;
    },
  };
});

describe("the context of an actor that nobody runs", () => {
  it("records what a behaviour emits, logs and reports", async () => {
    const fake = fakeActor(Lamp, { epoch: 3 });
    const lamp = await lampBehaviour.setup(fake.context);
    expect(lamp.toggle(undefined, fakeMessage())).toBe(true);
    expect(fake.events).toEqual([{ event: "switched", params: { on: true } }]);
    expect(fake.logged).toMatchObject([{ level: "info", component: "lamp", message: "switched", on: true }]);
    expect(fake.health()).toEqual({ on: true, epoch: 3 });
  });

  it("stops by running the cleanups in reverse order, then what was left for the exit", async () => {
    const { context, stop } = fakeActor(Lamp);
    const order: string[] = [];
    context.atExit(() => void order.push("exit"));
    context.defer(() => void order.push("first in"));
    context.defer(() => void order.push(`last in, asked to stop: ${context.signal.aborted}`));
    await stop();
    expect(order).toEqual(["last in, asked to stop: true", "first in", "exit"]);
  });

  it("crashes without cleanups, but gives back what was left for the exit", () => {
    const { context, crash } = fakeActor(Lamp);
    const order: string[] = [];
    context.defer(() => void order.push("cleanup"));
    context.atExit(() => void order.push("exit"));
    crash();
    expect(context.signal.aborted).toBe(true);
    expect(order).toEqual(["exit"]);
  });

  it("lets nothing that the actor left behind act after its end", async () => {
    const scheduler = seededScheduler(seededRandom(1));
    const fake = fakeActor(Lamp, { scheduler });
    let acted = 0;
    const act = (): void => void (acted += 1);
    fake.context.clock.at(fake.context.clock.now() + 10, act);
    fake.context.scheduler.schedule(act);
    fake.crash();
    await fake.clock.advance(20);
    await scheduler.runAll();
    fake.context.emit.switched({ on: true });
    expect(acted).toBe(0);
    expect(fake.events).toEqual([]);
  });

  it("finds the refs that the test handed in, and no others", () => {
    const { context } = fakeActor(Lamp);
    expect(() => context.ref(Lamp, "neighbour")).toThrow("hands in a ref named neighbour");
  });
});
