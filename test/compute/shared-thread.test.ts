import { describe, expect, it } from "vitest";
import { unpackValue } from "../../src/codec/index.ts";
import { chunkOf, repliesOf } from "../../src/compute/chunk.ts";
import { SharedState } from "../../src/compute/shared-state.ts";
import type { FromShared, SharedPort, ToShared } from "../../src/compute/shared-thread.ts";
import type { AttemptRequest, ThreadReply } from "../../src/compute/thread-message.ts";
import { attemptKit, moduleUrl, type AttemptKit } from "./attempt-kit.ts";

/** The thread's side of a shared thread, in the test's own thread. */
interface Kit extends AttemptKit {
  readonly state: SharedState;
  readonly heard: FromShared[];
  readonly ended: Promise<ThreadReply>;
  post(message: ToShared): void;
  /** Assigns slots to them and sends them in one message. */
  send(...requests: AttemptRequest[]): void;
  /** The slots whose attempts have completed, with their outputs. */
  outputs(): [number, unknown][];
}

const HOME = 1;
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
/** A module may have to be imported first, which takes an unknown number of turns. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

function openKit(): Kit {
  const kit = attemptKit({ modules: [moduleUrl("answers")] });
  const state = new SharedState();
  const heard: FromShared[] = [];
  let post = (_message: ToShared): void => {};
  const port: SharedPort = {
    postMessage: (message) => void heard.push(message),
    on: (_event, hear) => void (post = hear),
    close: () => {},
  };
  kit.slots.assign(HOME, 50, 0);
  const ended = kit.runner.share({ kind: "share", slot: HOME, token: 50, state: state.buffer }, port);
  return Object.assign(kit, {
    state,
    heard,
    ended,
    post: (message: ToShared) => post(message),
    send(...requests: AttemptRequest[]) {
      for (const { slot, token } of requests) kit.slots.assign(slot, token, 0);
      post(chunkOf(requests));
    },
    outputs: () =>
      heard
        .flatMap((message) => (message.kind === "mcplusplus.report" ? repliesOf(message) : []))
        .map(({ slot, reply }): [number, unknown] => [
          slot,
          reply.kind === "completed" ? unpackValue(reply.output) : reply,
        ]),
  });
}

describe("a shared thread", () => {
  it("takes attempts up in their order and reports a whole turn at once", async () => {
    const kit = openKit();
    kit.send(kit.request("echo", "first"), kit.request("echo", "second", { slot: 2 }));
    kit.send(kit.request("echo", "third", { slot: 3 }));
    await until(() => kit.heard.length > 0);
    expect(kit.heard).toMatchObject([{ kind: "mcplusplus.report", passed: 3 }]);
    expect(kit.outputs()).toEqual([
      [0, "first"],
      [2, "second"],
      [3, "third"],
    ]);
  });

  it("passes an attempt that was withdrawn without a word about it", async () => {
    const kit = openKit();
    const request = kit.request("count");
    kit.slots.assign(0, request.token, 0);
    kit.slots.withdraw(0, request.token);
    kit.post(chunkOf([request]));
    await until(() => kit.heard.length > 0);
    expect(kit.heard).toMatchObject([{ kind: "mcplusplus.report", passed: 1, slots: [], others: [] }]);
  });

  it("says whose code it runs as long as that does not return", async () => {
    const kit = openKit();
    const seen: unknown[] = [];
    (globalThis as { answersHooks?: unknown }).answersHooks = {
      noteEnd: () => void seen.push(kit.state.executing()),
    };
    kit.send(kit.request("endNow"));
    await until(() => kit.outputs().length === 1);
    expect([seen, kit.state.executing()]).toEqual([[0], null]);
  });

  it("names whoever ends it, and still reports what was done by then", async () => {
    const kit = openKit();
    const seen: unknown[] = [];
    (globalThis as { answersHooks?: unknown }).answersHooks = {
      noteEnd: () => {
        kit.runner.noteEnd();
        seen.push(kit.state.culprit());
      },
    };
    kit.send(kit.request("echo", "done"), kit.request("endNow", null, { slot: 2 }));
    await until(() => seen.length === 1);
    expect(seen).toEqual([2]);
    expect(kit.outputs()).toEqual([[0, "done"]]);
    await until(() => kit.outputs().length === 2);
    kit.send(kit.request("endLater"));
    await until(() => kit.outputs().length === 3);
    kit.send(kit.request("releaseLater"));
    await until(() => kit.outputs().length === 4);
    expect(seen).toEqual([2, "leftover"]);
    kit.runner.noteEnd();
    expect(kit.state.culprit()).toBe("unknown");
  });

  it("answers a look, and closes when it is told", async () => {
    const kit = openKit();
    kit.post({ look: 3 });
    expect(kit.state.answered()).toBe(3);
    kit.post("close");
    expect(await kit.ended).toEqual({ kind: "closed" });
    expect(kit.slots.phase(HOME, 50)).toBe("ended");
  });

  it("that was given up before it began serves nobody", async () => {
    const kit = attemptKit();
    const request = { kind: "share", slot: HOME, token: 50, state: new SharedState().buffer } as const;
    const port: SharedPort = { postMessage: () => {}, on: () => {}, close: () => {} };
    expect(await kit.runner.share(request, port)).toEqual({ kind: "stopped" });
  });
});

describe("the state of a shared thread", () => {
  it("knows the outer of two calls again when the inner one returns, and since when the outer one lasts", () => {
    const state = new SharedState();
    const other = new SharedState(state.buffer);
    const outer = state.enter(4, 100);
    const inner = state.enter(4, 200);
    state.leave(inner);
    expect([other.executing(), other.turnSince()]).toEqual([4, 100]);
    state.leave(outer);
    expect(other.executing()).toBeNull();
  });

  it.each([0, 7, "leftover", "modules", "unknown"] as const)("tells who was blamed: %s", (culprit) => {
    const state = new SharedState();
    expect(state.culprit()).toBe("unknown");
    state.blame(culprit);
    expect(new SharedState(state.buffer).culprit()).toBe(culprit);
  });
});
