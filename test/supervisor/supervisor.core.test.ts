import { describe, expect, it } from "vitest";
import { fault } from "../../src/errors/index.ts";
import {
  SupervisorCore,
  type Effect,
  type RestartType,
  type Strategy,
} from "../../src/supervisor/supervisor.core.ts";

const crash = fault("UNAVAILABLE", { what: "a child", why: "a test says so" });
const broken = fault("ACTOR_START_FAILED", { actor: "a child", why: "a test says so" });

/** As one line each: `launch a 1`, `halt a`, `announce a`, `dismiss a ACTOR_STOPPED`, `give_up CODE`, `finished`. */
const lines = (effects: readonly Effect[]): string[] =>
  effects.map((effect) => {
    switch (effect.do) {
      case "launch":
        return `launch ${effect.name} ${effect.epoch}`;
      case "dismiss":
        return `dismiss ${effect.name} ${effect.reason.code}`;
      case "give_up":
        return `give_up ${effect.reason.code}`;
      case "finished":
        return "finished";
      case "halt":
      case "announce":
        break;
    }
    return `${effect.do} ${effect.name}`;
  });

/** A supervisor whose children `a`, `b`, `c` … are up, all permanent unless a letter has its type: `b:temporary`. */
function running(strategy: Strategy, children: string, restarts = 5): SupervisorCore {
  const core = new SupervisorCore(strategy, { restarts, periodMs: 1_000 });
  for (const child of children.split(" ")) {
    const [name = "", restart = "permanent"] = child.split(":");
    core.add(name, restart as RestartType);
    core.ready(name);
  }
  return core;
}

describe("starting", () => {
  it("goes from the first child to the last, one at a time", () => {
    const core = new SupervisorCore("one_for_one", { restarts: 5, periodMs: 1_000 });
    expect(lines(core.add("a", "permanent"))).toEqual(["launch a 1"]);
    expect(lines(core.add("b", "permanent"))).toEqual([]);
    expect(lines(core.add("c", "permanent"))).toEqual([]);
    expect(lines(core.ready("a"))).toEqual(["announce a", "launch b 1"]);
    expect(lines(core.ready("b"))).toEqual(["announce b", "launch c 1"]);
    expect(lines(core.ready("c"))).toEqual(["announce c"]);
  });

  it("leaves out a child that fails at its first start, and goes on", () => {
    const core = new SupervisorCore("one_for_all", { restarts: 0, periodMs: 1_000 });
    core.add("a", "permanent");
    core.add("b", "permanent");
    expect(lines(core.startFailed("a", broken, 0))).toEqual(["dismiss a ACTOR_START_FAILED", "launch b 1"]);
    expect(core.children.map(({ name }) => name)).toEqual(["b"]);
  });

  it("takes a failure at a restart for another crash", () => {
    const core = running("one_for_one", "a", 1);
    expect(lines(core.crashed("a", crash, 0))).toEqual(["launch a 2"]);
    expect(lines(core.startFailed("a", broken, 1))).toEqual([
      "give_up RESTART_INTENSITY_EXCEEDED",
      "dismiss a ACTOR_STOPPED",
      "finished",
    ]);
  });

  it("gives a child that was stopped for a sibling's sake before it was ever up another first start", () => {
    const core = running("one_for_all", "a", 1);
    core.add("b", "permanent");
    expect(lines(core.crashed("a", crash, 0))).toEqual(["halt b"]);
    expect(lines(core.halted("b"))).toEqual(["launch a 2"]);
    expect(lines(core.ready("a"))).toEqual(["announce a", "launch b 2"]);
    expect(lines(core.startFailed("b", broken, 1))).toEqual(["dismiss b ACTOR_START_FAILED"]);
  });

  it("is not announced by a child that is being stopped", () => {
    const core = new SupervisorCore("one_for_one", { restarts: 5, periodMs: 1_000 });
    core.add("a", "permanent");
    expect(lines(core.stopChild("a"))).toEqual(["halt a"]);
    expect(lines(core.ready("a"))).toEqual([]);
    expect(lines(core.halted("a"))).toEqual(["dismiss a ACTOR_STOPPED"]);
  });

  it("refuses a name that is taken, and any name once everything is being stopped", () => {
    const core = running("one_for_one", "a");
    expect(() => core.add("a", "permanent")).toThrow(expect.objectContaining({ code: "ALREADY_EXISTS" }));
    core.stop();
    expect(() => core.add("b", "permanent")).toThrow(expect.objectContaining({ code: "ACTOR_STOPPED" }));
  });
});

describe("a crash", () => {
  it("under one_for_one restarts the child alone", () => {
    const core = running("one_for_one", "a b c");
    expect(lines(core.crashed("b", crash, 0))).toEqual(["launch b 2"]);
    expect(lines(core.ready("b"))).toEqual(["announce b"]);
  });

  it("under one_for_all stops the others from the last to the first, then starts all from the first to the last", () => {
    const core = running("one_for_all", "a b c");
    expect(lines(core.crashed("b", crash, 0))).toEqual(["halt c"]);
    expect(lines(core.halted("c"))).toEqual(["halt a"]);
    expect(lines(core.halted("a"))).toEqual(["launch a 2"]);
    expect(lines(core.ready("a"))).toEqual(["announce a", "launch b 2"]);
    expect(lines(core.ready("b"))).toEqual(["announce b", "launch c 2"]);
    expect(lines(core.ready("c"))).toEqual(["announce c"]);
  });

  it("under rest_for_one restarts the child and those started after it", () => {
    const core = running("rest_for_one", "a b c d");
    expect(lines(core.crashed("b", crash, 0))).toEqual(["halt d"]);
    expect(lines(core.halted("d"))).toEqual(["halt c"]);
    expect(lines(core.halted("c"))).toEqual(["launch b 2"]);
    expect(lines(core.ready("b"))).toEqual(["announce b", "launch c 2"]);
    expect(lines(core.ready("c"))).toEqual(["announce c", "launch d 2"]);
  });

  it("of a child that was to be stopped anyway is its stop, and does not count", () => {
    const core = running("one_for_all", "a b c", 1);
    expect(lines(core.crashed("a", crash, 0))).toEqual(["halt c"]);
    expect(lines(core.crashed("b", crash, 0))).toEqual([]);
    expect(lines(core.halted("c"))).toEqual(["launch a 2"]);
    expect(lines(core.ready("a"))).toEqual(["announce a", "launch b 2"]);
  });

  it("of a child that is being stopped is the end of its stop", () => {
    const core = running("one_for_one", "a", 0);
    core.stopChild("a");
    expect(lines(core.crashed("a", crash, 0))).toEqual(["dismiss a ACTOR_STOPPED"]);
  });

  it("of a child whose stop waits for another's ends that wait, too", () => {
    const core = running("one_for_one", "a b", 0);
    expect(lines(core.stopChild("b"))).toEqual(["halt b"]);
    expect(lines(core.stopChild("a"))).toEqual([]);
    expect(lines(core.crashed("a", crash, 0))).toEqual(["dismiss a ACTOR_STOPPED"]);
    expect(lines(core.halted("b"))).toEqual(["dismiss b ACTOR_STOPPED"]);
  });

  it("is no news of a child that is gone or has not been started", () => {
    const core = running("one_for_one", "a");
    expect(core.crashed("nobody", crash, 0)).toEqual([]);
    core.add("b", "permanent");
    core.add("c", "permanent");
    expect(core.startFailed("c", broken, 0)).toEqual([]);
  });
});

describe("a child", () => {
  it("that is permanent is restarted when it ends itself", () => {
    const core = running("one_for_one", "a");
    expect(lines(core.exited("a", 0))).toEqual(["launch a 2"]);
  });

  it("that is transient is restarted after a crash, and left alone when it ends itself", () => {
    const core = running("one_for_one", "a:transient");
    expect(lines(core.crashed("a", crash, 0))).toEqual(["launch a 2"]);
    core.ready("a");
    expect(lines(core.exited("a", 0))).toEqual(["dismiss a ACTOR_STOPPED"]);
    expect(core.children).toEqual([]);
  });

  it("that is temporary is never restarted, and takes nobody with it", () => {
    const core = running("one_for_all", "a b:temporary c", 0);
    expect(lines(core.crashed("b", crash, 0))).toEqual(["dismiss b UNAVAILABLE"]);
    expect(core.children.map(({ name, state }) => `${name} ${state}`)).toEqual(["a running", "c running"]);
  });

  it("that is temporary is not restarted either when it is stopped for a sibling's sake", () => {
    const core = running("one_for_all", "a b:temporary");
    expect(lines(core.crashed("a", crash, 0))).toEqual(["halt b"]);
    expect(lines(core.halted("b"))).toEqual(["dismiss b ACTOR_STOPPED", "launch a 2"]);
  });

  it("that is stopped for good leaves the others alone, and its name is free again", () => {
    const core = running("one_for_all", "a b");
    expect(lines(core.stopChild("a"))).toEqual(["halt a"]);
    expect(lines(core.halted("a"))).toEqual(["dismiss a ACTOR_STOPPED"]);
    expect(lines(core.add("a", "permanent"))).toEqual(["launch a 1"]);
  });

  it("that waits for its start is taken off the list at once when it is stopped", () => {
    const core = new SupervisorCore("one_for_one", { restarts: 5, periodMs: 1_000 });
    core.add("a", "permanent");
    core.add("b", "permanent");
    expect(lines(core.stopChild("b"))).toEqual(["dismiss b ACTOR_STOPPED"]);
    expect(lines(core.ready("a"))).toEqual(["announce a"]);
  });
});

describe("the restart intensity", () => {
  it("is not exceeded by as many restarts as it allows, and is by one more", () => {
    const core = running("one_for_one", "a b", 2);
    for (const nowMs of [0, 999]) {
      expect(lines(core.crashed("a", crash, nowMs))).toHaveLength(1);
      core.ready("a");
    }
    const effects = core.crashed("a", crash, 999.5);
    expect(lines(effects)).toEqual(["give_up RESTART_INTENSITY_EXCEEDED", "halt b"]);
    expect(effects[0]).toMatchObject({
      reason: { details: { child: "a", restarts: 2, periodMs: 1_000, why: crash.message }, cause: crash },
    });
    expect(lines(core.halted("b"))).toEqual([
      "dismiss b ACTOR_STOPPED",
      "dismiss a ACTOR_STOPPED",
      "finished",
    ]);
  });

  it("counts within its period only, over all children", () => {
    const core = running("one_for_one", "a b", 2);
    for (const [name, nowMs] of [
      ["a", 0],
      ["b", 500],
      ["a", 1_000],
      ["b", 1_500],
      ["a", 2_000],
    ] as const) {
      expect(lines(core.crashed(name, crash, nowMs))).toHaveLength(1);
      core.ready(name);
    }
    expect(lines(core.crashed("b", crash, 2_000))[0]).toBe("give_up RESTART_INTENSITY_EXCEEDED");
  });

  it("of 0 gives up at the first crash", () => {
    expect(lines(running("one_for_one", "a", 0).crashed("a", crash, 0))[0]).toBe(
      "give_up RESTART_INTENSITY_EXCEEDED",
    );
  });
});

describe("stopping everything", () => {
  it("goes from the last child to the first, one at a time, and ends once", () => {
    const core = running("one_for_one", "a b c");
    expect(lines(core.stop())).toEqual(["halt c"]);
    expect(core.stop()).toEqual([]);
    expect(lines(core.halted("c"))).toEqual(["dismiss c ACTOR_STOPPED", "halt b"]);
    expect(lines(core.halted("b"))).toEqual(["dismiss b ACTOR_STOPPED", "halt a"]);
    expect(lines(core.halted("a"))).toEqual(["dismiss a ACTOR_STOPPED", "finished"]);
    expect(core.stop()).toEqual([]);
  });

  it("ends at once when there is nothing to stop", () => {
    expect(lines(new SupervisorCore("one_for_one", { restarts: 5, periodMs: 1_000 }).stop())).toEqual([
      "finished",
    ]);
  });

  it("dismisses children that were never started, and restarts none that crashes meanwhile", () => {
    const core = running("one_for_one", "a b", 0);
    core.add("c", "permanent");
    core.add("d", "permanent");
    expect(lines(core.stop())).toEqual(["halt c"]);
    expect(lines(core.crashed("a", crash, 0))).toEqual(["dismiss a ACTOR_STOPPED"]);
    expect(lines(core.halted("c"))).toEqual(["dismiss c ACTOR_STOPPED", "halt b"]);
    expect(lines(core.halted("b"))).toEqual([
      "dismiss b ACTOR_STOPPED",
      "dismiss d ACTOR_STOPPED",
      "finished",
    ]);
  });
});
