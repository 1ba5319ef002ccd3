import { describe, expect, it } from "vitest";
import { call, cast, event, init, protocol } from "../../src/actor/index.ts";
import { checkHandshake, checkMailbox, handshakeOf } from "../../src/actor/index.ts";
import { LIMITS } from "../../src/errors/index.ts";

const A = protocol("a", {
  init: init<{ n: number }>(),
  ask: call<void, number>(),
  tell: cast(),
  news: event(),
});

describe("a protocol", () => {
  it("is a frozen list of names and kinds, in the order in which they were written", () => {
    expect(A.order).toEqual(["init", "ask", "tell", "news"]);
    expect(A.fingerprint).toBe("a@1(init:init,call:ask,cast:tell,event:news)");
    expect(Object.isFrozen(A) && Object.isFrozen(A.order)).toBe(true);
  });

  it("has another fingerprint when its name, version, or a member's name, kind or place differs", () => {
    const others = [
      protocol("b", { ask: call<void, number>(), tell: cast() }),
      protocol("a", { ask: call<void, number>(), tell: cast() }),
      protocol("a", { ask: call<void, number>(), tell: cast() }, { version: 2 }),
      protocol("a", { ask: call<void, number>(), tell: event() }),
      protocol("a", { tell: cast(), ask: call<void, number>() }),
      protocol("a", { ask: call<void, number>(), say: cast() }),
    ];
    expect(new Set(others.map(({ fingerprint }) => fingerprint)).size).toBe(others.length);
  });

  it.each(["", "Counter", "1st", "a b", "x".repeat(64)])("is not named %j: names are kebab-case", (name) => {
    expect(() => protocol(name, {})).toThrow(TypeError);
  });

  it("keeps the name init for the init member, and the init member for that name", () => {
    expect(() => protocol("a", { start: init() })).toThrow(TypeError);
    expect(() => protocol("a", { init: cast() })).toThrow(TypeError);
  });

  it("has no more members than a message can number", () => {
    const members = Object.fromEntries(
      Array.from({ length: LIMITS.actor.protocolMembers + 1 }, (_, index) => [`m${index}`, cast()]),
    );
    expect(() => protocol("a", members)).toThrow(TypeError);
  });
});

describe("the handshake", () => {
  it("lets the same protocol through and names both sides of another", () => {
    const other = protocol("a", { tell: cast() });
    checkHandshake("x", handshakeOf(A), A);
    expect(() => checkHandshake("x", handshakeOf(A), other)).toThrow(
      expect.objectContaining({
        code: "PROTOCOL_MISMATCH",
        details: { actor: "x", ours: handshakeOf(A), theirs: handshakeOf(other) },
      }),
    );
  });
});

describe("the size of a mailbox", () => {
  it.each([
    {},
    { messages: 1 },
    { messages: 65_536 },
    { ringBytes: LIMITS.ring.sizeBytesMin },
    { ringBytes: LIMITS.ring.sizeBytesMax },
  ])("may be %j", (mailbox) => {
    expect(() => checkMailbox(mailbox)).not.toThrow();
  });

  it.each([
    { messages: 0 },
    { messages: 65_537 },
    { messages: 1.5 },
    { messages: Number.NaN },
    { ringBytes: 5_000 },
    { ringBytes: LIMITS.ring.sizeBytesMin / 2 },
    { ringBytes: LIMITS.ring.sizeBytesMax * 2 },
    { ringBytes: Number.NaN },
  ])("may not be %j", (mailbox) => {
    expect(() => checkMailbox(mailbox)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});
