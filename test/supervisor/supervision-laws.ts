import { describe, expect, it } from "vitest";
import { call, protocol } from "../../src/actor/index.ts";
import { LIMITS, isFault } from "../../src/errors/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { openHouse, type HouseKind } from "./house.ts";
import { Part } from "./modules/part.protocol.ts";

/** The laws of supervision, for each kind of house: a file of its own for each lets them be tried side by side. */
export function tryLaws(where: HouseKind): void {
  describe(`a supervisor (${where})`, () => {
    failOnLeaks();
    const open = (setup?: Parameters<typeof openHouse>[1]): ReturnType<typeof openHouse> =>
      openHouse(where, setup);

    describe("starts and stops", () => {
      it("in the order of the spawns, whoever is faster, and stops in reverse", async () => {
        const { part, supervisor, drive, happened } = await open();
        await drive(Promise.all([part(0), part(1), part(2)]));
        await drive(supervisor.close());
        const stop = (id: number): string[] => [`abort ${id}`, `cleanup ${id}`, `exit ${id}`];
        expect(happened()).toEqual(["up 0", "up 1", "up 2", ...stop(2), ...stop(1), ...stop(0)]);
      });

      it("one child alone, and its name is free for another, which the old ref does not reach", async () => {
        const { part, supervisor, drive, whoDid } = await open();
        const first = await part(0);
        await part(1);
        await drive(supervisor.stopChild("part-0"));
        expect(whoDid("exit")).toEqual([0]);
        const second = await part(0);
        expect(await drive(second.call.epoch())).toBe(1);
        await expect(drive(first.call.epoch())).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
        await expect(drive(first.ready())).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
      });

      it("one child once, however often that is asked", async () => {
        const { part, supervisor, drive, happened } = await open();
        await part(0);
        await drive(Promise.all([supervisor.stopChild("part-0"), supervisor.stopChild("part-0")]));
        expect(happened()).toEqual(["up 0", "abort 0", "cleanup 0", "exit 0"]);
        await expect(drive(supervisor.stopChild("part-0"))).rejects.toMatchObject({ code: "UNKNOWN_NAME" });
      });

      it("everything once, however often that is asked, and nothing after it", async () => {
        const { part, supervisor, drive, whoDid } = await open();
        const ref = await part(0);
        await drive(Promise.all([supervisor.close(), supervisor.close()]));
        await drive(supervisor.close());
        expect(whoDid("exit")).toEqual([0]);
        await expect(part(1)).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
        await expect(drive(ref.call.epoch())).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
        await expect(drive(ref.ready())).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
        expect(whoDid("up")).toEqual([0]);
      });

      it("with nothing to stop", async () => {
        const { supervisor, drive } = await open();
        await drive(supervisor.close());
      });

      it("while children start: those that wait never do, and every spawn ends", async () => {
        const { part, supervisor, drive, whoDid } = await open();
        const spawns = Promise.allSettled([
          part(0),
          part(1, { trouble: "setup waits for its end" }),
          part(2),
          part(3),
        ]);
        await drive(supervisor.health());
        await drive(supervisor.close());
        const outcomes = await drive(spawns);
        expect(outcomes.slice(1)).toMatchObject(
          Array.from({ length: 3 }, () => ({ reason: { code: "ACTOR_STOPPED" } })),
        );
        expect(whoDid("exit")).toEqual(expect.arrayContaining(whoDid("up")));
      });

      it("a child that waits for its turn, without starting it", async () => {
        const { part, supervisor, drive, whoDid } = await open();
        const slow = part(0, { trouble: "setup waits for its end" }).catch((error: unknown) => error);
        const next = part(1).catch((error: unknown) => error);
        await drive(supervisor.stopChild("part-1"));
        expect(await drive(next)).toMatchObject({ code: "ACTOR_STOPPED" });
        await drive(supervisor.stopChild("part-0"));
        expect(await drive(slow)).toMatchObject({ code: "ACTOR_STOPPED" });
        expect(whoDid("up").filter((id) => id !== 0)).toEqual([]);
      });

      it("a child whose setup is under way by letting it come to its end, and cleans up after it", async () => {
        const { part, supervisor, drive, happened } = await open();
        const starting = part(0, { trouble: "setup waits for its end" }).catch((error: unknown) => error);
        while (happened().length === 0) await drive(supervisor.health());
        await drive(supervisor.stopChild("part-0"));
        expect(await drive(starting)).toMatchObject({ code: "ACTOR_STOPPED" });
        const late = ["abort 0", "late 0", "up 0"];
        expect(happened()).toEqual(["begun 0", ...late, "cleanup 0", "cleanup 0", "exit 0", "exit 0"]);
      });

      it("a child whose cleanup throws like any other", async () => {
        const { part, supervisor, drive, happened } = await open();
        await part(0, { trouble: "cleanup throws" });
        await part(1, { trouble: "release throws" });
        await drive(supervisor.close());
        expect(happened().slice(2)).toEqual([
          "abort 1",
          "cleanup 1",
          "exit 1",
          "abort 0",
          "cleanup 0",
          "exit 0",
        ]);
      });

      it("by force a child that does not stop in time", async () => {
        const { part, supervisor, drive, happened } = await open();
        await part(0);
        await part(1, { trouble: "cleanup hangs", shutdownMs: 30 });
        await drive(supervisor.close());
        // Its releases are the business of the one who ends it: the operating system's, for a thread.
        expect(happened().filter((entry) => entry !== "exit 1")).toEqual([
          ...["up 0", "up 1", "abort 1"],
          ...["abort 0", "cleanup 0", "exit 0"],
        ]);
      });

      it("at once when it is killed while it is being stopped", async () => {
        const { part, supervisor, drive, whoDid } = await open();
        await part(0, { trouble: "cleanup hangs", shutdownMs: 3_600_000 });
        const stopping = supervisor.stopChild("part-0");
        await drive(supervisor.kill("part-0"));
        await drive(stopping);
        expect(whoDid("up"), "it is not restarted").toEqual([0]);
        expect(await drive(supervisor.health())).toEqual([]);
      });

      it("a child whose cleanups call those that were started before it", async () => {
        const { part, supervisor, drive, happened } = await open();
        await part(0);
        await part(1, { trouble: "cleanup asks", calls: ["part-0"] });
        await drive(supervisor.close());
        expect(happened().slice(2, 6)).toEqual(["abort 1", "called 1", "cleanup 1", "exit 1"]);
      });
    });

    describe("refuses to start", () => {
      it("a second child of the same name, and the first one goes on", async () => {
        const { part, drive } = await open();
        const first = await part(0);
        await expect(part(0)).rejects.toMatchObject({ code: "ALREADY_EXISTS", details: { name: "part-0" } });
        expect(await drive(first.call.epoch())).toBe(1);
      });

      it("a child under the program's own name, with a bad mailbox, or with a time that is none", async () => {
        const { part } = await open();
        const refused = { code: "INVALID_ARGUMENT" };
        await expect(part(0, { name: "host" })).rejects.toMatchObject(refused);
        await expect(part(0, { name: "" })).rejects.toMatchObject(refused);
        await expect(part(0, { mailbox: { ringBytes: 5_000 } })).rejects.toMatchObject(refused);
        await expect(part(0, { mailbox: { messages: 0 } })).rejects.toMatchObject(refused);
        await expect(part(0, { shutdownMs: Number.NaN })).rejects.toMatchObject(refused);
        await expect(part(0, { startTimeoutMs: -1 })).rejects.toMatchObject(refused);
        await part(0);
      });

      it("a child whose init cannot cross a thread", async () => {
        const { supervisor, drive, journal } = await open();
        const init = { id: 0, journal, trouble: (() => undefined) as never };
        await expect(
          drive(supervisor.spawn(Part, { module: "file:///never-loaded.ts", init })),
        ).rejects.toMatchObject({
          code: "NOT_A_WIRE_VALUE",
          details: { what: "the init of part" },
        });
      });

      it("a child whose setup throws, says why, and leaves nothing of it", async () => {
        const { part, supervisor, drive, happened } = await open();
        await expect(part(0, { trouble: "setup throws" })).rejects.toMatchObject({
          code: "ACTOR_START_FAILED",
          details: { actor: "part-0", why: "this part is broken" },
          cause: { code: "DEFECT", details: { name: "RangeError" } },
        });
        expect(happened()).toEqual(["abort 0", "cleanup 0", "exit 0"]);
        expect(await drive(supervisor.health())).toEqual([]);
        await expect(part(1, { trouble: "setup throws a fault" })).rejects.toMatchObject({
          code: "ACTOR_START_FAILED",
          cause: { code: "STORE_OWNED", details: { path: "/data" } },
        });
        await part(0);
      });

      it("a child whose setup does not end in time, and kills it", async () => {
        const { part, supervisor, drive, whoDid } = await open();
        await expect(part(0, { trouble: "setup hangs", startTimeoutMs: 200 })).rejects.toMatchObject({
          code: "DEADLINE_EXCEEDED",
          details: { what: "part-0: its setup", timeoutMs: 200 },
        });
        expect(whoDid("cleanup"), "it had its time").toEqual([]);
        expect(await drive(supervisor.health())).toEqual([]);
      });

      it("a child whose setup asks for an actor that does not stand in its calls", async () => {
        const { part } = await open();
        await expect(part(0, { trouble: "asks a stranger", calls: ["part-1"] })).rejects.toMatchObject({
          code: "ACTOR_START_FAILED",
          cause: { code: "UNKNOWN_NAME", details: { kind: "actor", name: "stranger", known: ["part-1"] } },
        });
      });

      it("a child whose handlers are not those of its protocol", async () => {
        const { part } = await open();
        await expect(part(0, { trouble: "has one handler too many" })).rejects.toMatchObject({
          code: "ACTOR_START_FAILED",
          details: { why: "defect: the protocol part has no call or cast pong" },
        });
        await expect(part(0, { trouble: "has one handler too few" })).rejects.toMatchObject({
          code: "ACTOR_START_FAILED",
          details: { why: "defect: the behaviour of part has no handler for ask" },
        });
      });

      it("a child of another protocol, and names both", async () => {
        const { supervisor, drive } = await open();
        const Other = protocol("other", { ping: call() });
        const { module } = { module: new URL("./modules/part.actor.ts", import.meta.url).href };
        await expect(drive(supervisor.spawn(Other, { module }))).rejects.toMatchObject({
          code: "PROTOCOL_MISMATCH",
          details: {
            actor: "other",
            ours: expect.stringContaining("other@1(") as unknown,
            theirs: expect.stringContaining("part@1(") as unknown,
          },
        });
      });
    });

    describe("restarts", () => {
      it("a child that crashes, and counts it", async () => {
        const { part, supervisor, drive, eventually, whoDid } = await open();
        const ref = await part(0);
        ref.cast.crash();
        expect(await eventually(ref, () => ref.call.epoch())).toBe(2);
        expect(whoDid("up")).toEqual([0, 0]);
        expect(whoDid("cleanup"), "a crash cleans nothing up").toEqual([]);
        expect(supervisor.metrics().counters.restarts).toBe(1);
        expect(await drive(supervisor.health())).toMatchObject([
          { name: "part-0", state: "running", epoch: 2 },
        ]);
      });

      it("a child that is killed, once per kill", async () => {
        const { part, supervisor, drive, eventually } = await open();
        const ref = await part(0);
        await drive(Promise.all([supervisor.kill("part-0"), supervisor.kill("part-0")]));
        const epoch = await eventually(ref, () => ref.call.epoch());
        expect([2, 3], "the second kill met the first life or the second").toContain(epoch);
        await expect(drive(supervisor.kill("nobody"))).rejects.toMatchObject({ code: "UNKNOWN_NAME" });
      });

      it("each life with the init as it was given, whatever the one before did to it", async () => {
        const { part, supervisor, drive, eventually } = await open();
        const ref = await part(0);
        expect(await drive(ref.call.touch())).toBe(1);
        expect(await drive(ref.call.touch())).toBe(2);
        await drive(supervisor.kill("part-0"));
        expect(await eventually(ref, () => ref.call.touch())).toBe(1);
      });

      it("only those that its strategy names", async () => {
        const cases = [
          ["one_for_one", [1, 2, 1]],
          ["one_for_all", [2, 2, 2]],
          ["rest_for_one", [1, 2, 2]],
        ] as const;
        // Threads take their time, and add nothing to what the core decides.
        for (const [strategy, epochs] of where === "simulation" ? cases : cases.slice(2)) {
          const { part, supervisor, drive, eventually } = await open({ strategy });
          const parts = [await part(0), await part(1), await part(2)];
          parts[1]?.cast.crash();
          const answers: number[] = [];
          // The crash and its consequences are over when the last child has answered in the life that it should be in.
          for (const [index, ref] of parts.entries()) {
            let epoch = 0;
            while (epoch < (epochs[index] ?? 0)) epoch = await eventually(ref, () => ref.call.epoch());
            answers.push(epoch);
          }
          expect(answers, strategy).toEqual(epochs);
          await drive(supervisor.close());
        }
      });

      it("neither a temporary child, nor a transient one that ends itself", async () => {
        const { part, supervisor, drive, whoDid } = await open();
        const temporary = await part(0, { restart: "temporary" });
        const gone = expect(drive(supervisor.kill("part-0").then(() => temporary.ready()))).rejects;
        await gone.toMatchObject({ code: "UNAVAILABLE" });
        if (where !== "simulation") {
          const transient = await part(1, { restart: "transient" });
          const waiting = transient.call.ask({ name: "nobody" }).catch((error: unknown) => error);
          transient.cast.exit({ code: 0 });
          await waiting;
          await expect(transient.ready()).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
        }
        expect(whoDid("up")).toEqual(where === "simulation" ? [0] : [0, 1]);
        expect(await drive(supervisor.health())).toEqual([]);
      });

      it("until the intensity is exceeded: then it stops everything, and says which child and why", async () => {
        const { part, supervisor, drive, eventually, whoDid } = await open({
          intensity: { restarts: 2, periodMs: 3_600_000 },
        });
        const other = await part(1);
        const ref = await part(0);
        for (const epoch of [1, 2]) {
          expect(await eventually(ref, () => ref.call.epoch())).toBe(epoch);
          ref.cast.crash();
        }
        expect(await eventually(ref, () => ref.call.epoch())).toBe(3);
        ref.cast.crash();
        await expect(drive(supervisor.failed)).rejects.toMatchObject({
          code: "RESTART_INTENSITY_EXCEEDED",
          details: {
            child: "part-0",
            restarts: 2,
            why: expect.stringContaining("part-0 crashed") as unknown,
          },
        });
        await expect(drive(ref.ready())).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
        await expect(drive(other.ready({}).then(() => other.call.epoch()))).rejects.toMatchObject({
          code: expect.stringMatching(/^ACTOR_/) as unknown,
        });
        await expect(part(2)).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
        await drive(supervisor.close());
        expect(whoDid("cleanup"), "the one that did not crash was stopped in order").toEqual([1]);
      });

      it("a child whose restart fails until the intensity is exceeded", async () => {
        const { part, supervisor, drive, whoDid } = await open({
          intensity: { restarts: 2, periodMs: 3_600_000 },
        });
        await part(0, { trouble: "setup throws again" });
        await drive(supervisor.kill("part-0"));
        await expect(drive(supervisor.failed)).rejects.toMatchObject({
          code: "RESTART_INTENSITY_EXCEEDED",
          details: { why: "part-0 could not be started: this part is broken" },
        });
        expect(whoDid("up")).toEqual([0]);
      });

      it("a child whose restart is late until the intensity is exceeded", async () => {
        const { part, supervisor, drive } = await open({ intensity: { restarts: 1, periodMs: 3_600_000 } });
        const ref = await part(0, { trouble: "setup hangs again", startTimeoutMs: 200 });
        await drive(supervisor.kill("part-0"));
        const waiting = ref.ready().catch((error: unknown) => error);
        await expect(drive(supervisor.failed)).rejects.toMatchObject({
          code: "RESTART_INTENSITY_EXCEEDED",
          details: { why: "part-0: its setup did not end within 0.2 s" },
        });
        expect(await drive(waiting), "who waits for it learns that it never will be").toMatchObject({
          code: "ACTOR_STOPPED",
        });
      });

      it("a child that is killed during its first setup not at all: it has never been up", async () => {
        const { part, supervisor, drive } = await open();
        const starting = part(0, { trouble: "setup hangs" }).catch((error: unknown) => error);
        // The spawn has arrived when the next question is answered.
        await drive(supervisor.health());
        await drive(supervisor.kill("part-0"));
        expect(await drive(starting)).toMatchObject({
          code: "ACTOR_START_FAILED",
          details: { actor: "part-0" },
        });
        expect(await drive(supervisor.health())).toEqual([]);
      });

      it("nothing after an orderly close, which is no failure", async () => {
        const { part, supervisor, drive } = await open();
        await part(0);
        let failed = false;
        supervisor.failed.catch(() => (failed = true));
        await drive(supervisor.close());
        expect(failed).toBe(false);
      });
    });

    describe("links", () => {
      it("actors that call each other, also through the restarts of either", async () => {
        const { part, supervisor, drive, eventually } = await open({
          intensity: { restarts: 20, periodMs: 1 },
        });
        const callee = await part(0);
        const caller = await part(1, { calls: ["part-0"] });
        const ask = (): Promise<number> => caller.call.ask({ name: "part-0" });
        const epochs = { callee: 1, caller: 1 };
        expect(await drive(ask())).toBe(1);
        for (const order of ["callee", "caller", "callee caller", "caller callee", "callee callee"]) {
          for (const who of order.split(" ")) {
            const [ref, name] = who === "callee" ? [callee, "part-0"] : [caller, "part-1"];
            await drive(supervisor.kill(name));
            if (who === "callee") epochs.callee++;
            else epochs.caller++;
            if (order === "callee callee") await eventually(ref, () => ref.call.epoch());
          }
          expect(await eventually(callee, () => callee.call.epoch()), order).toBe(epochs.callee);
          expect(await eventually(caller, () => caller.call.epoch()), order).toBe(epochs.caller);
          // The caller's own ref may still be waiting for the callee's new life.
          expect(await eventually(caller, () => ask()), order).toBe(epochs.callee);
        }
      });

      it("an actor with one that is spawned after it", async () => {
        const { part, drive, eventually } = await open();
        const caller = await part(1, { calls: ["part-0"] });
        await expect(drive(caller.call.ask({ name: "part-0" }))).rejects.toMatchObject({
          code: "ACTOR_RESTARTING",
        });
        await part(0);
        expect(await eventually(caller, () => caller.call.ask({ name: "part-0" }))).toBe(1);
      });

      it("an actor whose setup calls one that was started before it", async () => {
        const { part, whoDid } = await open();
        await Promise.all([part(0), part(1, { trouble: "setup asks", calls: ["part-0"] })]);
        expect(whoDid("up")).toEqual([0, 1]);
      });

      it("an actor with itself", async () => {
        const { part, drive } = await open();
        const ref = await part(0, { calls: ["part-0"] });
        expect(await drive(ref.call.ask({ name: "part-0" }))).toBe(1);
      });

      it("two actors that call each other", async () => {
        const { part, eventually } = await open();
        const left = await part(0, { calls: ["part-1"] });
        const right = await part(1, { calls: ["part-0"] });
        // The one that was there before hears of the other in its own time.
        expect(await eventually(left, () => left.call.ask({ name: "part-1" }))).toBe(1);
        expect(await eventually(right, () => right.call.ask({ name: "part-0" }))).toBe(1);
      });

      it("an actor no more with one that has been stopped, until the name is given to another", async () => {
        const { part, supervisor, drive, eventually } = await open();
        const caller = await part(1, { calls: ["part-0"] });
        await part(0);
        const ask = (): Promise<number> => caller.call.ask({ name: "part-0" });
        expect(await eventually(caller, ask)).toBe(1);
        await drive(supervisor.stopChild("part-0"));
        await expect(eventually(caller, ask)).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
        await part(0);
        // The caller asks its context for a ref anew each time; one from before would stay dead.
        let answer: unknown;
        do answer = await drive(ask().catch((error: unknown) => error));
        while (isFault(answer, "ACTOR_STOPPED"));
        expect(answer).toBe(1);
      });
    });

    it("has at most so many children", async () => {
      if (where !== "simulation") return;
      const { supervisor, drive, journal } = await open();
      const module = new URL("./modules/part.actor.ts", import.meta.url).href;
      const spawn = (id: number): Promise<unknown> =>
        supervisor.spawn(Part, { name: `part-${id}`, module, init: { id: 0, journal } });
      const spawns = Array.from({ length: LIMITS.supervisor.children }, (_, id) => spawn(id));
      await expect(spawn(999)).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        details: { argument: "actors" },
      });
      await drive(Promise.all(spawns));
    });
  });
}
