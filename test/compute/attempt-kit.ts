import { tmpdir } from "node:os";
import { join } from "node:path";
import { packValue, unpackValue } from "../../src/codec/index.ts";
import { createRunner, type Runner, type RunnerServices } from "../../src/compute/runner.ts";
import { Slots } from "../../src/compute/slots.ts";
import type { AttemptRequest, ThreadMessage, ThreadReply } from "../../src/compute/thread-message.ts";
import { manualClock, type ManualClock } from "../kit/manual-clock.ts";

/**
 * Many threads come and go in these tests. With one cache for all of them hardly any strips types itself, which costs
 * most of a thread's start, and which can crash the process (see `compile-cache.ts`). Measuring coverage switches the
 * cache off, but does not look into threads.
 */
process.env["NODE_COMPILE_CACHE"] ??= join(tmpdir(), `mcplusplus-test-compiled-${process.getuid?.() ?? 0}`);
delete process.env["NODE_DISABLE_COMPILE_CACHE"];

/** A thread's side of the pool in the test's own thread: real slots, a manual clock, messages in a list. */
export interface AttemptKit {
  readonly slots: Slots;
  readonly clock: ManualClock;
  readonly messages: ThreadMessage[];
  readonly runner: Runner;
  request(action: string, input?: unknown, more?: Partial<AttemptRequest>): AttemptRequest;
  /** Assigns the slot and runs the action to its end. */
  run(action: string, input?: unknown, more?: Partial<AttemptRequest>): Promise<ThreadReply>;
  /** What it returned; throws when it did not complete. */
  output(action: string, input?: unknown): Promise<unknown>;
  logged(): string[];
}

export const moduleUrl = (name: string): string => new URL(`modules/${name}.tasks.ts`, import.meta.url).href;

/** The first attempt of one task, on the first slot. */
export const attemptRequest = (more: Partial<AttemptRequest> = {}): AttemptRequest => ({
  kind: "run",
  slot: 0,
  token: 1,
  taskId: "t1",
  action: "echo",
  attempt: 1,
  timeoutMs: 5_000,
  input: packValue(null),
  ...more,
});

export function attemptKit(services: Partial<RunnerServices> = {}): AttemptKit {
  const slots = Slots.allocate(4);
  const clock = manualClock(1_000);
  const messages: ThreadMessage[] = [];
  const runner = createRunner({
    slots,
    clock,
    modules: [],
    roots: [],
    allowedHosts: [],
    blobs: null,
    threadId: 5,
    post: (message) => void messages.push(message),
    ...services,
  });
  let token = 0;
  const kit: AttemptKit = {
    slots,
    clock,
    messages,
    runner,
    request: (action, input = null, more = {}) =>
      attemptRequest({ action, input: packValue(input), token: ++token, ...more }),
    run(action, input, more) {
      const request = kit.request(action, input, more);
      slots.assign(request.slot, request.token, clock.now());
      return runner.run(request);
    },
    async output(action, input) {
      const reply = await kit.run(action, input);
      if (reply.kind !== "completed") throw new Error(`not completed: ${JSON.stringify(reply)}`);
      return unpackValue(reply.output);
    },
    logged: () => messages.flatMap((message) => (message.kind === "mcplusplus.log" ? [message.message] : [])),
  };
  return kit;
}
