import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { EndWaits } from "../../src/queue/end-waits.ts";
import type { TaskOutcome } from "../../src/queue/queue.protocol.ts";
import { codeOf, CoreKit, spec } from "./core-kit.ts";

function outcome(taskId: string): TaskOutcome {
  const kit = new CoreKit();
  kit.submit([spec(taskId)]);
  return { ...kit.status(taskId), output: null, error: null };
}
const open = (): AbortSignal => new AbortController().signal;

describe("waiting for the end of a task", () => {
  it("ends for all who wait for that task, and for nobody else", async () => {
    const waits = new EndWaits();
    const first = waits.wait("a", open());
    const second = waits.wait("a", open());
    const other = waits.wait("b", open());
    const told = outcome("a");
    waits.tell(told);
    expect(await Promise.all([first, second])).toEqual([told, told]);
    expect(waits.has("a")).toBe(false);
    expect(waits.has("b")).toBe(true);
    waits.tell(outcome("b"));
    await other;
    waits.tell(outcome("b"));
  });

  it("ends with the reason of the caller's signal, and the others wait on", async () => {
    const waits = new EndWaits();
    const control = new AbortController();
    const gone = waits.wait("a", control.signal);
    const stays = waits.wait("a", open());
    control.abort(new Error("enough"));
    await expect(gone).rejects.toThrow("enough");
    expect(waits.has("a")).toBe(true);
    waits.tell(outcome("a"));
    expect((await stays).taskId).toBe("a");
  });

  it("does not begin for a caller who is gone already", async () => {
    const waits = new EndWaits();
    await expect(waits.wait("a", AbortSignal.abort(new Error("gone before")))).rejects.toThrow("gone before");
    expect(waits.has("a")).toBe(false);
  });

  it("is refused above its limit, and possible again when one has ended", async () => {
    const waits = new EndWaits();
    const controls = Array.from({ length: LIMITS.queue.waits }, () => new AbortController());
    const all = controls.map((control, index) => waits.wait(`t${index % 9}`, control.signal));
    expect(() => waits.wait("one more", open())).toThrow(codeOf("MAILBOX_FULL"));
    controls[0]?.abort(new Error("enough"));
    await expect(all[0]).rejects.toThrow("enough");
    void waits.wait("one more", open());
    expect(() => waits.wait("and one", open())).toThrow(codeOf("MAILBOX_FULL"));
  });
});
