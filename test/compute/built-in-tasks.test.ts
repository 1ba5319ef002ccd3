import { describe, expect, it } from "vitest";
import { attemptKit } from "./attempt-kit.ts";

describe("echo", () => {
  it("returns its input", async () => {
    expect(await attemptKit().output("echo", { a: [1, "b", null] })).toEqual({ a: [1, "b", null] });
  });
});

describe("sleep", () => {
  it("returns when its time has passed", async () => {
    expect(await attemptKit().output("sleep", { ms: 0 })).toEqual({ slept_ms: 0 });
  });

  it("ends at once when it is cancelled", async () => {
    const kit = attemptKit();
    const reply = kit.run("sleep", { ms: 2 ** 40 }, { token: 9 });
    await new Promise(setImmediate);
    expect(kit.slots.stop(0, 9, "cancelled")).toBe("running");
    expect(await reply).toEqual({ kind: "stopped" });
  });

  it.each([[null], [{}], [{ ms: -1 }], [{ ms: Infinity }], [{ ms: "1" }], [{ ms: 1, s: 2 }], [[1]], ["1"]])(
    "refuses %j",
    async (input) => {
      expect(await attemptKit().run("sleep", input)).toMatchObject({ error: { code: "INPUT_INVALID" } });
    },
  );
});

describe("fail", () => {
  it("fails with its message", async () => {
    expect(await attemptKit().run("fail", { message: "no luck" })).toMatchObject({
      kind: "failed",
      error: { code: "HANDLER_FAILED", message: "fail failed: no luck" },
    });
    expect(await attemptKit().run("fail")).toMatchObject({ error: { details: { text: "it was asked to" } } });
  });

  it("fails so many attempts as it is told, and then returns the number of the attempt", async () => {
    const kit = attemptKit();
    expect(await kit.run("fail", { times: 2 }, { attempt: 2 })).toMatchObject({ kind: "failed" });
    expect(await kit.run("fail", { times: 2 }, { attempt: 3 })).toMatchObject({ kind: "completed" });
  });

  it("names everything that is wrong with its input", async () => {
    expect(await attemptKit().run("fail", { message: 1, times: -1, time: 1 })).toMatchObject({
      error: {
        details: {
          problems: [/message/, /times/, /time is unknown/].map(
            (text) => expect.stringMatching(text) as string,
          ),
        },
      },
    });
  });
});
