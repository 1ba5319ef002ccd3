import { expect, it } from "vitest";
import { frameOf, type Members } from "../../../src/mcp/p2p/frame.ts";
import { seededRandom, testSeed } from "../../kit/seeded-random.ts";
import { ERAS } from "../kit/connected-client.ts";
import { LineMutator } from "../kit/mutated-lines.ts";
import { validMessages } from "../kit/valid-messages.ts";
import { manualClock } from "../../kit/manual-clock.ts";
import { openHost } from "./kit/peer-host.ts";
import { queueSystem } from "./kit/queue-system.ts";

/** Frames of this law: `FUZZ_FRAMES=100000` makes some minutes of it. */
const FRAMES = Number(process.env["FUZZ_FRAMES"] ?? 1_000);
/** Of one stream. */
const CONVERSATION = 50;

/** Calls of what is there; none of them waits. */
const CALLS: readonly ((n: number) => readonly [name: string, args: Members])[] = [
  (n) => ["repeat", { text: "ä", times: n }],
  (n) => ["wipe", { rows: n, confirm: true }],
  () => ["fall", {}],
  (n) => ["task_queue.rpc", { op: "submit", task_type: "render", payload: { n, priority: (n % 10) + 1 } }],
  () => ["task_queue.rpc", { op: "claim", worker_id: "w", task_types: "render" }],
  () => ["task_queue.rpc", { op: "claim_many", worker_id: "w", max_tasks: 3, session_id: "s" }],
  (n) => ["task_queue.rpc", { op: "complete", task_id: `t${n}`, status: "completed", result: { n } }],
  (n) => ["task_queue.rpc", { op: "release", task_id: `t${n}`, worker_id: "w" }],
  () => ["task_queue.rpc", { op: "heartbeat", peer_id: "x", clock: {} }],
  () => ["task_queue.rpc", { op: "list", status: "queued", limit: 5 }],
  (n) => ["task_queue.rpc", { op: "cancel", task_id: `t${n}`, reason: "no" }],
  () => ["task_queue.rpc", { op: "status", detail: true }],
];

/** Tools of the other servers become those of this one. */
function aimed(message: Members, mutator: LineMutator): Members {
  if (message["method"] !== "tools/call") return message;
  const [name, args] = mutator.oneOf(CALLS)(mutator.below(20) + 1);
  const given = mutator.below(2) === 0 ? args : misshapen(args, mutator);
  return { ...message, params: { ...(message["params"] as Members), name, arguments: given } };
}

/** Wrong arguments in a sound frame: they come as far as a call can. */
function misshapen(args: Members, mutator: LineMutator): unknown {
  try {
    return JSON.parse(mutator.line(args).toString());
  } catch {
    return null;
  }
}

/** A message, or what has become of it, behind its length, or what has become of that. */
function frame(message: Members, mutator: LineMutator, isSound: boolean): Buffer {
  if (isSound) return frameOf(message);
  const line = mutator.line(message);
  const body = line.at(-1) === 10 ? line.subarray(0, -1) : line;
  const bytes = Buffer.alloc(4 + body.length);
  bytes.writeUInt32BE(body.length);
  body.copy(bytes, 4);
  const kind = mutator.below(40);
  if (kind === 0) bytes.writeUInt32BE(mutator.below(2 ** 31));
  if (kind === 1) return bytes.subarray(0, mutator.below(bytes.length));
  if (kind === 2) return Buffer.concat([bytes, bytes.subarray(0, mutator.below(9))]);
  return bytes;
}

it(
  "whatever a stream says, it comes to an end, tells no fault of the server, and the next honest one is served",
  { timeout: 60_000 + FRAMES * 20 },
  async () => {
    const mutator = new LineMutator(seededRandom(testSeed()));
    const limits = { rateCapacity: 1_000_000, ratePerSecond: 1_000_000 };
    const clock = manualClock();
    const { system } = await queueSystem(clock);
    const taskQueue = { taskTypes: ["render"] };
    const { connect, honestCall, host, faults } = openHost({ clock, limits, system, taskQueue });
    const conversations = Math.ceil(FRAMES / CONVERSATION);
    for (let nth = 0; nth < conversations; nth++) {
      const frames: Buffer[] = [];
      const sound = mutator.below(CONVERSATION);
      for (const message of validMessages(ERAS[nth % ERAS.length] ?? "legacy", mutator)) {
        frames.push(frame(aimed(message, mutator), mutator, frames.length < sound));
        if (frames.length === CONVERSATION) break;
      }
      const { peer, client, served } = connect();
      const heard = peer.rest();
      for (const chunk of mutator.chunks(Buffer.concat(frames))) await client.write(chunk);
      client.endWriting();
      for (const message of await heard) expectSound(message);
      await served;
    }
    expect(await honestCall()).toBe("ja");
    expect(faults).toEqual([]);
    const { internalErrors, sessionsStarted, sessionsClosed } = host.figures();
    expect({ internalErrors, sessionsStarted, sessionsClosed }).toEqual({
      internalErrors: 0,
      sessionsStarted: conversations + 1,
      sessionsClosed: conversations + 1,
    });
  },
);

function expectSound(message: Members): void {
  expect(message["jsonrpc"]).toBe("2.0");
  if ("method" in message) return;
  expect("result" in message).not.toBe("error" in message);
  const { error, result } = message as { error?: Members; result?: Members };
  expect(error?.["code"], JSON.stringify(error)).not.toBe(-32_603);
  const { structuredContent } = (result ?? {}) as { structuredContent?: Members };
  expect(["DEFECT", "OUTPUT_INVALID"], JSON.stringify(message).slice(0, 500)).not.toContain(
    structuredContent?.["code"],
  );
}
