import { describe, expect, it } from "vitest";
import { checkLoad, type CheckReport } from "../../src/load/check.ts";
import { Ledger } from "../../src/load/ledger.ts";
import { runOpenLoop } from "../../src/load/open-loop.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { FakeTarget, schedule, settled, type FakeServer } from "./fake-target.ts";

/** A hundred requests to a server with the given faults, and the check after it. */
async function checked(server: Partial<FakeServer>): Promise<CheckReport> {
  const clock = manualClock();
  const target = new FakeTarget({ clock, ...server });
  const ledger = new Ledger();
  const running = runOpenLoop({
    schedule: schedule(100, 1_000),
    target,
    ledger,
    clock,
    outstandingMax: 1_000,
    drainMs: 1_000,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  await settled(clock, running);
  return checkLoad(ledger, target);
}

const none = { count: 0, examples: [] };
const these = (...examples: number[]) => ({ count: examples.length, examples });

describe("the check", () => {
  it("passes when every acknowledged request ended exactly once, as its caller was told", async () => {
    expect(await checked({ fails: [3] })).toMatchObject({
      passed: true,
      acknowledged: 100,
      lost: none,
      unended: none,
      twice: none,
      contradicted: none,
      wrongOutput: none,
      executions: 100,
      counts: { agree: true },
    });
  });

  it("names a request that was acknowledged and is not there", async () => {
    expect(await checked({ loses: [17, 60] })).toMatchObject({
      passed: false,
      lost: these(17, 60),
      twice: none,
    });
  });

  it("names a request that was completed twice, and sees it in the counts too", async () => {
    expect(await checked({ doubles: [5] })).toMatchObject({
      passed: false,
      twice: these(5),
      executions: 101,
    });
  });

  it("names a request that has not ended though nothing more comes", async () => {
    expect(await checked({ neverEnds: [0] })).toMatchObject({ passed: false, unended: these(0), lost: none });
  });

  it("names a request whose caller was told another end than the target has", async () => {
    expect(await checked({ lies: [1] })).toMatchObject({ passed: false, contradicted: these(1) });
  });

  it("names a request that was given the output of another", async () => {
    expect(await checked({ mixesUp: [2] })).toMatchObject({ passed: false, wrongOutput: these(2) });
  });

  it("fails when the target's own counts say something else than its list", async () => {
    const report = await checked({ miscounts: 1 });
    expect(report).toMatchObject({ passed: false, counts: { agree: false, target: { completed: 101 } } });
  });

  it("does not ask for what was refused, and reports it when it is there all the same", async () => {
    const refused = await checked({ refuses: [4] });
    expect(refused).toMatchObject({ passed: true, acknowledged: 99, unacknowledged: none });
    const kept = await checked({ refuses: [4], keepsRefused: true });
    expect(kept).toMatchObject({ passed: true, acknowledged: 99, unacknowledged: these(4) });
  });

  it("reports attempts beyond the first and cut off ones apart, without failing", async () => {
    const report = await checked({ retries: [8, 9] });
    expect(report).toMatchObject({ passed: true, retried: these(8, 9), interrupted: these(8, 9) });
    expect(report.executions).toBe(104);
  });

  it("does not call lost what ended and was forgotten by retention, and compares no counts then", async () => {
    expect(await checked({ remembers: 90 })).toMatchObject({
      passed: true,
      lost: none,
      forgotten: 10,
      counts: null,
    });
  });

  it("calls lost what never ended, however much retention may have taken", async () => {
    expect(await checked({ remembers: 90, loses: [3] })).toMatchObject({ passed: false, lost: these(3) });
  });

  it("names the first few of many, and counts the rest", async () => {
    const { lost } = await checked({ loses: Array.from({ length: 50 }, (_, index) => index) });
    expect(lost.count).toBe(50);
    expect(lost.examples).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe("a ledger", () => {
  it("knows every request of all steps, past the size that it began with", () => {
    const ledger = new Ledger();
    const first = ledger.reserve(60_000);
    ledger.sent(59_999);
    const second = ledger.reserve(200_000);
    ledger.acknowledged(second + 199_999);
    expect([first, second, ledger.length]).toEqual([0, 60_000, 260_000]);
    expect([ledger.of(59_999), ledger.of(60_000), ledger.of(259_999)]).toEqual([1, 0, 3]);
  });

  it("counts an end that comes to a request which has ended", () => {
    const ledger = new Ledger();
    const end = { state: "completed", code: null, carriesItsNumber: true } as const;
    ledger.reserve(1);
    ledger.acknowledged(0);
    ledger.ended(0, end);
    expect(ledger.endedAgain).toBe(0);
    ledger.ended(0, end);
    expect(ledger.endedAgain).toBe(1);
  });
});
