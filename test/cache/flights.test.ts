import { describe, expect, it } from "vitest";
import { Flights, type Landing, type Outcome } from "../../src/cache/flights.ts";
import { LIMITS } from "../../src/errors/index.ts";
import { manualClock } from "../kit/manual-clock.ts";

const value: Outcome = { kind: "computed", value: new Uint8Array([1]), storedAtMs: 0, expiresAtMs: 1 };
const { leaseMs } = LIMITS.cache;

function flying() {
  const clock = manualClock();
  const flights = new Flights(clock, 3);
  const told: string[] = [];
  const join = (name: string, key = "a"): AbortController => {
    const leaving = new AbortController();
    const tell = (landing: Landing): void =>
      void told.push(`${name} ${landing.kind}${"token" in landing ? ` ${landing.token}` : ""}`);
    flights
      .join(key, leaving.signal)
      .then(tell, (error: { code: string }) => void told.push(`${name} ${error.code}`));
    return leaving;
  };
  return { clock, flights, told, join };
}

describe("a computation", () => {
  it("ends for all who wait, and its token is then worth nothing", async () => {
    const { flights, told, join, clock } = flying();
    const token = flights.begin("a", []);
    join("first");
    join("second");
    expect(flights.land(token, value)).toEqual({ key: "a", mayFill: true });
    await clock.advance(0);
    expect(told).toEqual(["first computed", "second computed"]);
    expect(flights.land(token, value)).toBeUndefined();
    expect(flights.renew(token)).toBe(false);
    expect([flights.has("a"), flights.size, clock.pending]).toEqual([false, 0, 0]);
  });

  it("that falls silent goes to the one who has waited longest, and the old token changes nothing", async () => {
    const { flights, told, join, clock } = flying();
    const old = flights.begin("a", []);
    join("first");
    join("second");
    await clock.advance(leaseMs - 1);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toEqual(["first compute 3.2"]);
    expect(flights.land(old, value)).toBeUndefined();
    expect(flights.land("3.2", value)).toEqual({ key: "a", mayFill: true });
    await clock.advance(0);
    expect(told).toEqual(["first compute 3.2", "second computed"]);
    expect(clock.pending).toBe(0);
  });

  it("that says it goes on keeps its lease", async () => {
    const { flights, told, join, clock } = flying();
    const token = flights.begin("a", []);
    join("first");
    await clock.advance(leaseMs - 1);
    expect(flights.renew(token)).toBe(true);
    await clock.advance(leaseMs - 1);
    expect(told).toEqual([]);
    flights.close();
    expect(clock.pending).toBe(0);
  });

  it("that falls silent while nobody waits is forgotten", async () => {
    const { flights, clock } = flying();
    flights.begin("a", []);
    await clock.advance(leaseMs);
    expect([flights.has("a"), flights.size]).toEqual([false, 0]);
  });

  it("may not fill the cache when its key has changed; who waited has it, who comes later begins anew", async () => {
    const { flights, told, join, clock } = flying();
    const first = flights.begin("a", ["t"]);
    join("early");
    flights.invalidate((key, tags) => key !== "a" && tags.length === 0);
    expect(flights.has("a")).toBe(true);
    flights.invalidate((_key, tags) => tags.includes("t"));
    expect(flights.has("a")).toBe(false);
    const second = flights.begin("a", []);
    expect(flights.land(first, value)).toEqual({ key: "a", mayFill: false });
    await clock.advance(0);
    expect(told).toEqual(["early computed"]);
    expect(flights.has("a")).toBe(true);
    expect(flights.land(second, value)).toEqual({ key: "a", mayFill: true });
  });

  it("that is released passes to the next at once", async () => {
    const { flights, told, join, clock } = flying();
    const token = flights.begin("a", []);
    join("first");
    flights.release(token);
    await clock.advance(0);
    expect(told).toEqual(["first compute 3.2"]);
    flights.close();
  });
});

describe("a deserted computation", () => {
  it("is over when nobody else waits", async () => {
    const { flights } = flying();
    const token = flights.begin("a", []);
    expect(await flights.desert(token)).toBe(true);
    expect([flights.has("a"), flights.land(token, value)]).toEqual([false, undefined]);
  });

  it("goes on for others, and is over when the last of them leaves", async () => {
    const { flights, told, join, clock } = flying();
    const token = flights.begin("a", []);
    const first = join("first");
    const second = join("second");
    let abandoned: boolean | undefined;
    void flights.desert(token).then((answer) => (abandoned = answer));
    first.abort();
    await clock.advance(0);
    expect([abandoned, told]).toEqual([undefined, ["first CANCELLED"]]);
    second.abort();
    await clock.advance(0);
    expect([abandoned, told, flights.size]).toEqual([true, ["first CANCELLED", "second CANCELLED"], 0]);
  });

  it("that ends all the same is not abandoned", async () => {
    const { flights, join } = flying();
    const token = flights.begin("a", []);
    join("first");
    const deserting = flights.desert(token);
    flights.land(token, value);
    expect(await deserting).toBe(false);
  });

  it("is not over because one leaves while its own side still waits", async () => {
    const { flights, join, clock } = flying();
    const token = flights.begin("a", []);
    join("first").abort();
    await clock.advance(0);
    expect(flights.land(token, value)).toEqual({ key: "a", mayFill: true });
  });
});

it("computations and waits are bounded, and one beyond is refused", async () => {
  const { flights, join, told, clock } = flying();
  for (let n = 0; n < LIMITS.cache.computations; n++) flights.begin(`k${n}`, []);
  const full = expect.objectContaining({ code: "MAILBOX_FULL" }) as Error;
  expect(() => flights.begin("one more", [])).toThrow(full);
  const join0 = () => flights.join("k0", new AbortController().signal);
  const waiting = Array.from({ length: LIMITS.cache.waits }, join0);
  expect(join0).toThrow(full);
  flights.land("3.1", value);
  flights.begin("k0", []);
  join("again", "k1");
  flights.land("3.2", value);
  await clock.advance(0);
  expect(told).toEqual(["again computed"]);
  expect(new Set(await Promise.all(waiting))).toEqual(new Set([value]));
  flights.close();
});
