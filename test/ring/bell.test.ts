import { describe, expect, it } from "vitest";
import { SharedBell, createBell } from "../../src/ring/index.ts";
import { ASLEEP, AWAKE, BELL_BYTES, RUNG } from "../../src/ring/bell.ts";

function bellIn(state: number): { bell: SharedBell; word: Int32Array } {
  const shared = createBell();
  const word = new Int32Array(shared);
  word[0] = state;
  return { bell: new SharedBell(shared), word };
}

describe("a bell", () => {
  it("hangs awake, on a cache line of its own", () => {
    const shared = createBell();
    expect(new Int32Array(shared)[0]).toBe(AWAKE);
    expect(shared.byteLength).toBe(BELL_BYTES);
  });

  it("wakes a sleeper, and tells by the word that it did", async () => {
    const { bell, word } = bellIn(ASLEEP);
    const wait = Atomics.waitAsync(word, 0, ASLEEP);
    bell.ring();
    expect(word[0]).toBe(RUNG);
    expect(await wait.value).toBe("ok");
  });

  it("leaves the word of one who is awake alone: only the reader ever stores AWAKE", () => {
    for (const state of [AWAKE, RUNG]) {
      const { bell, word } = bellIn(state);
      bell.ring();
      expect(word[0]).toBe(state);
    }
  });

  it("lets nobody fall asleep on a ring that came first", () => {
    const { bell, word } = bellIn(ASLEEP);
    bell.ring();
    expect(Atomics.waitAsync(word, 0, ASLEEP)).toEqual({ async: false, value: "not-equal" });
  });
});
