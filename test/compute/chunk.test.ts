import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chunkOf, reportOf, repliesOf, requestsOf, type SlotReply } from "../../src/compute/chunk.ts";
import { attemptRequest } from "./attempt-kit.ts";

const bytes = fc.uint8Array({ maxLength: 40 });

describe("a chunk", () => {
  it("brings every attempt across as it was, in its order", () => {
    const request = fc
      .record({
        slot: fc.nat(8_000),
        token: fc.maxSafeNat(),
        taskId: fc.string(),
        action: fc.string(),
        attempt: fc.nat(),
        timeoutMs: fc.constantFrom(1, 300_000, Infinity),
        input: bytes,
      })
      .chain((plain) =>
        fc
          .constantFrom({}, { traceparent: "one" }, { traceparent: "another" })
          .map((trace) => ({ ...plain, ...trace })),
      )
      .map(attemptRequest);
    fc.assert(
      fc.property(fc.array(request), (requests) => {
        expect(requestsOf(structuredClone(chunkOf(requests)))).toEqual(requests);
      }),
    );
  });
});

describe("a chunk of attempts that are part of no trace", () => {
  it("has no word about traces", () => {
    expect(Object.keys(chunkOf([attemptRequest(), attemptRequest()]))).toEqual(["heads", "inputs"]);
  });
});

describe("a report", () => {
  const completed = (output: Uint8Array): SlotReply["reply"] => ({
    kind: "completed",
    output,
    progress: null,
  });

  it("brings every reply across as it was", () => {
    const reply = fc.oneof(
      bytes.map(completed),
      fc.constant<SlotReply["reply"]>({ kind: "stopped" }),
      bytes.map((output): SlotReply["reply"] => ({
        kind: "completed",
        output,
        progress: { fraction: 1, message: "all" },
      })),
    );
    fc.assert(
      fc.property(fc.array(reply), fc.nat(), (replies, passed) => {
        const sent = replies.map((reply, slot) => ({ slot, reply }));
        const report = structuredClone(reportOf(passed, sent));
        expect(report.passed).toBe(passed);
        expect(repliesOf(report).toSorted((one, other) => one.slot - other.slot)).toEqual(sent);
      }),
    );
  });

  it("gives each receiver bytes that hold no others alive", () => {
    const sent = [10, 4_096, 4_097, 60_000].map((size, slot) => ({
      slot,
      reply: completed(new Uint8Array(size)),
    }));
    for (const { reply } of repliesOf(structuredClone(reportOf(4, sent)))) {
      expect(reply.kind === "completed" && reply.output.buffer.byteLength - reply.output.byteLength).toBe(0);
    }
  });
});
