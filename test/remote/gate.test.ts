import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { Gate, type KeptGrant } from "../../src/remote/gate.core.ts";
import type { GrantClaims } from "../../src/remote/grant-token.ts";
import { termsFor } from "./kit/world.ts";

const START_MS = 1_000_000;

const grantOf = (peerId: string, grantId: string, more: Partial<KeptGrant> = {}): KeptGrant => ({
  ...termsFor(peerId, START_MS),
  ...{ grantId, issuedAtMs: START_MS, revokedAtMs: null },
  ...more,
});
const claimsOf = ({ peerId: audience, ...grant }: KeptGrant): GrantClaims => ({
  ...grant,
  issuer: "me",
  audience,
});

/** The same rules, each looked up anew in a list of all that ever happened. */
class NaiveGate {
  readonly events: (
    | { kind: "grant"; grant: KeptGrant }
    | { kind: "revoke" | "greet" | "leave" | "ended" | "taken"; peerId: string; grantId?: string }
    | { kind: "started"; peerId: string; atMs: number; grantId: string }
  )[] = [];
  readonly servedMax: number;

  constructor(servedMax: number) {
    this.servedMax = servedMax;
  }

  grantOf(peerId: string): KeptGrant | undefined {
    return this.events
      .flatMap((event) => (event.kind === "grant" && event.grant.peerId === peerId ? event.grant : []))
      .at(-1);
  }

  isRevoked({ peerId, grantId }: KeptGrant): boolean {
    return this.events.some(
      (event) => event.kind === "revoke" && event.peerId === peerId && event.grantId === grantId,
    );
  }

  isOpen(peerId: string): boolean {
    const grant = this.grantOf(peerId);
    const last = this.events.findLast(
      (event) => (event.kind === "greet" || event.kind === "leave") && event.peerId === peerId,
    );
    return last?.kind === "greet" && "grantId" in last && last.grantId === grant?.grantId;
  }

  count(kind: "ended" | "taken" | "started", peerId?: string): number {
    return this.events.filter(
      (event) =>
        event.kind === kind && (peerId === undefined || ("peerId" in event && event.peerId === peerId)),
    ).length;
  }

  /** The bucket of this grant, replayed from its first start. */
  starts(grant: KeptGrant, nowMs: number): number {
    let [level, atMs] = [grant.perMinute, grant.issuedAtMs];
    const fill = (untilMs: number): void => {
      level = Math.min(grant.perMinute, level + ((untilMs - atMs) / 60_000) * grant.perMinute);
      atMs = untilMs;
    };
    for (const event of this.events) {
      if (event.kind !== "started" || event.grantId !== grant.grantId) continue;
      fill(event.atMs);
      level -= 1;
    }
    fill(nowMs);
    return level;
  }

  start(peerId: string, action: string, sizeBytes: number, nowMs: number): string | null {
    const grant = this.grantOf(peerId);
    if (!grant) return "no_grant";
    if (this.isRevoked(grant)) return "revoked";
    if (grant.expiresAtMs <= nowMs) return "expired";
    if (!this.isOpen(peerId)) return "no_token";
    if (!grant.actions.includes("*") && !grant.actions.includes(action)) return "action";
    if (sizeBytes > grant.bytesMax) return "bytes";
    if (this.count("started", peerId) - this.count("taken", peerId) >= grant.concurrency)
      return "concurrency";
    if (this.count("started") - this.count("ended") >= this.servedMax) return "served";
    // Sums of fractions differ in their last digits.
    if (this.starts(grant, nowMs) < 1 - 1e-6) return "rate";
    this.events.push({ kind: "started", peerId, atMs: nowMs, grantId: grant.grantId });
    return null;
  }
}

const peers = fc.constantFrom("A", "B", "C");
const commands = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("grant" as const),
      peer: peers,
      actions: fc.constantFrom(["work"], ["*"], [], ["other", "work"]),
      concurrency: fc.integer({ min: 1, max: 3 }),
      perMinute: fc.integer({ min: 1, max: 6 }),
      bytesMax: fc.integer({ min: 1, max: 100 }),
      lastsMs: fc.integer({ min: 1, max: 200_000 }),
    }),
    ...(["revoke", "greet", "leave", "ended", "taken"] as const).map((kind) =>
      fc.record({ kind: fc.constant(kind), peer: peers }),
    ),
    fc.record({
      kind: fc.constant("start" as const),
      peer: peers,
      action: fc.constantFrom("work", "other"),
      sizeBytes: fc.integer({ min: 0, max: 120 }),
    }),
    fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 40_000 }) }),
  ),
  { maxLength: 80 },
);

describe("the gate", () => {
  it("lets through and refuses, for the same reason, what a list of all that ever happened does", () => {
    fc.assert(
      fc.property(commands, fc.integer({ min: 1, max: 5 }), (list, servedMax) => {
        const gate = new Gate({ grants: [], servedMax });
        gate.offer(["work", "other"]);
        const naive = new NaiveGate(servedMax);
        let nowMs = START_MS;
        let grants = 0;
        for (const command of list) {
          if (command.kind === "pass") nowMs += command.ms;
          else if (command.kind === "grant") {
            const { kind: _, peer, lastsMs, ...terms } = command;
            grants += 1;
            const more = { ...terms, issuedAtMs: nowMs, expiresAtMs: nowMs + lastsMs };
            const grant = grantOf(peer, `g${grants}`, more);
            gate.put(grant);
            naive.events.push({ kind: "grant", grant });
          } else if (command.kind === "revoke") {
            const grant = naive.grantOf(command.peer);
            const isNew = grant !== undefined && !naive.isRevoked(grant);
            expect(gate.revoke(command.peer, nowMs) !== null).toBe(isNew);
            if (isNew) naive.events.push({ kind: "revoke", peerId: command.peer, grantId: grant.grantId });
          } else if (command.kind === "greet") {
            const grant = naive.grantOf(command.peer);
            if (!grant) continue;
            const isVoid = naive.isRevoked(grant) || grant.expiresAtMs <= nowMs;
            expect("kind" in gate.greet(command.peer, claimsOf(grant), nowMs)).toBe(isVoid);
            if (!isVoid) naive.events.push({ kind: "greet", peerId: command.peer, grantId: grant.grantId });
          } else if (command.kind === "leave") {
            gate.leave(command.peer);
            naive.events.push({ kind: "leave", peerId: command.peer });
          } else if (command.kind === "ended") {
            if (naive.count("ended", command.peer) >= naive.count("started", command.peer)) continue;
            gate.ended(command.peer);
            naive.events.push({ kind: "ended", peerId: command.peer });
          } else if (command.kind === "taken") {
            if (naive.count("taken", command.peer) >= naive.count("ended", command.peer)) continue;
            gate.taken(command.peer);
            naive.events.push({ kind: "taken", peerId: command.peer });
          } else if (command.kind === "start") {
            const { peer, action, sizeBytes } = command;
            const before = naive.count("started");
            const expected = naive.start(peer, action, sizeBytes, nowMs);
            expect(gate.start(peer, action, sizeBytes, nowMs)?.kind ?? null).toBe(expected);
            expect(naive.count("started")).toBe(before + (expected === null ? 1 : 0));
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it("forgets, for want of room, the oldest grant that holds no longer, and refuses where all hold", () => {
    const { grants } = LIMITS.remote;
    const gate = new Gate({ grants: [], servedMax: 1 });
    for (let index = 0; index < grants; index++) gate.put(grantOf(`P${index}`, `g${index}`));
    expect(() => gate.check(termsFor("new", START_MS), START_MS)).toThrow("one grant more");
    expect(() => gate.check(termsFor("P3", START_MS), START_MS)).not.toThrow();
    gate.revoke("P7", START_MS);
    expect(() => gate.check(termsFor("new", START_MS), START_MS)).not.toThrow();
    gate.put(grantOf("new", "g"));
    expect(gate.grants()).toHaveLength(grants);
    expect(gate.grants().some(({ peerId }) => peerId === "P7")).toBe(false);
  });

  it.each([
    ["concurrency", { concurrency: 1 }, { concurrency: 0 }],
    ["concurrency", { concurrency: 1_000 }, { concurrency: 1_001 }],
    ["perMinute", { perMinute: 1 }, { perMinute: 0 }],
    ["bytesMax", { bytesMax: LIMITS.remote.bytesMax }, { bytesMax: LIMITS.remote.bytesMax + 1 }],
    ["expiresAtMs", { expiresAtMs: START_MS + 1 }, { expiresAtMs: START_MS }],
    [
      "actions",
      { actions: Array.from({ length: 256 }, (_, index) => `a${index}`) },
      { actions: Array.from({ length: 257 }, () => "a") },
    ],
    ["actions[0]", { actions: ["a"] }, { actions: [""] }],
    ["peerId", { peerId: "P" }, { peerId: "" }],
  ])("takes terms just within their bounds, and not just outside: %s", (argument, within, outside) => {
    const gate = new Gate({ grants: [], servedMax: 1 });
    expect(() => gate.check({ ...termsFor("P", START_MS), ...within }, START_MS)).not.toThrow();
    expect(() => gate.check({ ...termsFor("P", START_MS), ...outside }, START_MS)).toThrow(argument);
  });

  it("remembers the latest refusals, newest first, and counts them all", () => {
    const gate = new Gate({ grants: [], servedMax: 1 });
    const { refusals } = LIMITS.remote;
    for (let index = 0; index < 2 * refusals + 10; index++) gate.start(`P${index}`, "work", 0, index);
    expect(gate.refusals.counts).toEqual({ no_grant: 2 * refusals + 10 });
    expect(gate.refusals.latest(2)).toMatchObject([
      { peerId: `P${2 * refusals + 9}` },
      { peerId: `P${2 * refusals + 8}` },
    ]);
    expect(gate.refusals.latest(2 * refusals)).toHaveLength(refusals);
  });
});
