import { describe, expect, it } from "vitest";
import { Slots } from "../../src/compute/slots.ts";
import { openThreads, TASK_RUNNER, type Threads } from "../../src/compute/threads.ts";
import { createLog } from "../../src/telemetry/index.ts";
import { systemClock } from "../../src/scope/index.ts";
import { attemptRequest, moduleUrl } from "./attempt-kit.ts";

function open(entry: URL, lines: string[] = []): { threads: Threads; slots: Slots } {
  const slots = Slots.allocate(1);
  const threads = openThreads({
    entry,
    threads: 1,
    heapMb: 64,
    setup: { slots: slots.buffer, modules: [], roots: [], allowedHosts: [], blobsDirectory: null },
    onMessage: () => {},
    log: createLog({ component: "threads", clock: systemClock, sink: (line) => void lines.push(line) }),
  });
  return { threads, slots };
}

const request = (token: number) => attemptRequest({ token });

describe("the threads", () => {
  it("that are never used need no closing and no recovery", async () => {
    const { threads } = open(TASK_RUNNER);
    threads.terminate(1);
    threads.recover();
    await threads.close();
  });

  it("run one attempt after the other on the thread that is named in the slot", async () => {
    const { threads, slots } = open(TASK_RUNNER);
    for (const token of [1, 2]) {
      slots.assign(0, token, 0);
      expect(await threads.run(request(token))).toMatchObject({ kind: "completed" });
      expect(slots.thread(0)).toBeGreaterThan(0);
    }
    threads.recover();
    await threads.close();
  });

  it("reject what waits for a thread that cannot start, and say why in the log", async () => {
    const lines: string[] = [];
    const { threads } = open(new URL(moduleUrl("throws")), lines);
    for (const token of [1, 2]) await expect(threads.run(request(token))).rejects.toThrow();
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ level: "warn", why: "half a module" });
    await threads.close();
  });
});
