import { expect, it } from "vitest";
import { Inbound } from "../../src/actor/inbound.ts";
import { Outbound } from "../../src/actor/outbound.ts";
import { KIND } from "../../src/codec/index.ts";
import { createRing } from "../../src/ring/index.ts";
import { createMetricsBlock } from "../../src/telemetry/index.ts";

interface Direction {
  readonly outbound: Outbound;
  /** Reads what has been published; the payloads, in order. */
  readonly read: () => unknown[];
  /** How often the writer rang. */
  readonly rings: () => number;
}

function open({ messagesMax = 1_000 }: { messagesMax?: number } = {}): Direction {
  const ring = createRing(4_096);
  let rings = 0;
  const outbound = new Outbound({
    ring,
    bell: { ring: () => rings++ },
    callee: "callee",
    messagesMax,
    metrics: createMetricsBlock(),
  });
  const inbound = new Inbound(ring, { ring: () => undefined }, createMetricsBlock());
  const read = (): unknown[] => {
    const payloads: unknown[] = [];
    while (inbound.ready()) inbound.poll(({ payload }) => payloads.push(payload));
    return payloads;
  };
  return { outbound, read, rings: () => rings };
}

const cast = { kind: KIND.cast, member: 0, correlation: 0, deadlineMs: Infinity } as const;

function refusal(act: () => void): unknown {
  try {
    act();
    return undefined;
  } catch (error) {
    return error;
  }
}

it("leaves nothing of a refused message unpublished, or its shape would take up room for ever", () => {
  for (let textChars = 1; textChars < 400; textChars += 7) {
    const { outbound, read } = open();
    while (refusal(() => outbound.offer(cast, "x".repeat(textChars))) === undefined);
    const shape = { aKeyThatTheReaderDoesNotKnow: "y".repeat(textChars) };
    refusal(() => outbound.offer(cast, shape));
    read();
    let room = false;
    outbound.onRoom(() => (room = true));
    expect(room, `texts of ${textChars}`).toBe(true);
    outbound.offer(cast, shape);
    outbound.flush();
    expect(read()).toEqual([shape]);
  }
});

it("publishes what was waiting when somebody asks for room and there is some", () => {
  const { outbound, read, rings } = open({ messagesMax: 3 });
  const large = "large".repeat(1_500);
  outbound.offer(cast, large);
  outbound.flush();
  expect(outbound.queued).toBe(1);
  expect(read()).toEqual([]);
  const before = rings();
  outbound.onRoom(() => undefined);
  expect(outbound.queued).toBe(0);
  expect(rings()).toBeGreaterThan(before);
  expect(read()).toEqual([large]);
});

it("keeps whatever must not be refused until there is room, in order", () => {
  const { outbound, read } = open();
  const replies = Array.from({ length: 300 }, (_, index) => `reply ${index} ${"x".repeat(index % 50)}`);
  for (const reply of replies) outbound.deliver({ ...cast, kind: KIND.reply }, reply);
  expect(outbound.queued).toBeGreaterThan(0);
  const arrived: unknown[] = [];
  for (let turn = 0; outbound.queued > 0 && turn < 100; turn++) {
    outbound.flush();
    arrived.push(...read());
    outbound.pump();
  }
  outbound.flush();
  expect([...arrived, ...read()]).toEqual(replies);
});

it("forgets what waits, and tells who waits, when the link is closed", () => {
  const { outbound } = open();
  outbound.offer(cast, "large".repeat(3_000));
  let told = 0;
  outbound.onRoom(() => told++);
  const withdraw = outbound.onRoom(() => told++);
  withdraw();
  outbound.abandon();
  expect(outbound.queued).toBe(0);
  expect(outbound.waiting).toBe(false);
  expect(told).toBe(1);
});
