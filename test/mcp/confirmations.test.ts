import { expect, it } from "vitest";
import { Confirmations } from "../../src/mcp/confirmations.ts";
import { manualClock } from "../kit/manual-clock.ts";

const call = { tool: "queue_clear", args: { status_filter: "failed", limit: 3 } };

it("a token confirms its call once, in whatever order the arguments stand", () => {
  const confirmations = new Confirmations(manualClock());
  const token = confirmations.ask(call);
  const same = { tool: "queue_clear", args: { limit: 3, status_filter: "failed" } };
  expect(confirmations.redeem(token, same)).toBe(true);
  expect(confirmations.redeem(token, same)).toBe(false);
});

it("a token confirms no other call, and is gone when it was tried", () => {
  const confirmations = new Confirmations(manualClock());
  for (const other of [
    { tool: "queue_clear", args: {} },
    { tool: "queue_clear", args: { ...call.args, limit: 4 } },
    { tool: "cache_clear", args: call.args },
  ]) {
    const token = confirmations.ask(call);
    expect(confirmations.redeem(token, other)).toBe(false);
    expect(confirmations.redeem(token, call)).toBe(false);
  }
  expect(confirmations.redeem("guessed", call)).toBe(false);
});

it("a token is good for ten minutes, and no longer", async () => {
  const clock = manualClock();
  const confirmations = new Confirmations(clock);
  const [first, second] = [confirmations.ask(call), confirmations.ask(call)];
  await clock.advance(599_999);
  expect(confirmations.redeem(first, call)).toBe(true);
  await clock.advance(1);
  expect(confirmations.redeem(second, call)).toBe(false);
});

it("waits for a thousand confirmations at most, and forgets the oldest first", () => {
  const confirmations = new Confirmations(manualClock());
  const tokens = Array.from({ length: 1_001 }, () => confirmations.ask(call));
  expect(new Set(tokens).size).toBe(1_001);
  expect(confirmations.redeem(tokens[0] ?? "", call)).toBe(false);
  expect(confirmations.redeem(tokens[1] ?? "", call)).toBe(true);
});
