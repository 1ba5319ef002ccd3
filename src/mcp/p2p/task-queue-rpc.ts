import { unpackValue } from "../../codec/index.ts";
import { LIMITS, isFault, type Fault } from "../../errors/index.ts";
import type { TaskState, TaskStatus } from "../../queue/queue.protocol.ts";
import { cutText, invalidArgument, shortText } from "../../schema/index.ts";
import type { Clock } from "../../scope/index.ts";
import type { System, TaskResult } from "../../system/index.ts";
import type { Log } from "../../telemetry/index.ts";
import { plainJson } from "../../tools/index.ts";
import { jsonBytes } from "../result-cap.ts";
import type { SystemDoor } from "../system-door.ts";
import type { TextHygiene } from "../text-hygiene.ts";
import { wholeValue } from "../whole-value.ts";
import type { Members } from "./frame.ts";
import { PeerLeases, completedWith, failedWith, workerOf, type HeldTask } from "./peer-leases.ts";
import { isMembers } from "./peer-message.ts";
import {
  claimCapabilities,
  secondsIn,
  submitted,
  tagOf,
  textIn,
  typeIn,
  typesIn,
  wholeIn,
} from "./task-queue-request.ts";

/** The tool whose arguments are a request of its own, and whose content is the reply. */
export const TASK_QUEUE_TOOL = "task_queue.rpc";

export interface TaskQueueRpcOptions {
  readonly door: SystemDoor;
  readonly clock: Clock;
  readonly log: Log;
  readonly hygiene: TextHygiene;
  /** This node's own. */
  readonly peerId: string;
  /** What peers may submit and claim; 1 to 100. */
  readonly taskTypes: readonly string[];
  /** A reply has fewer bytes. */
  readonly frameBytes: number;
}

/** Who asks. */
interface Caller {
  /** As its connection has authenticated it. */
  readonly peerId: string;
  readonly signal: AbortSignal;
  /** W3C trace context of the request, as it came. */
  readonly traceparent?: unknown;
}

interface Asked extends Caller {
  readonly args: Members;
  readonly system: System;
}

/** Of the published ones, and our own. */
type RpcError =
  | "unknown_op"
  | "missing_task_id"
  | "missing_worker_id"
  | "tools_disabled"
  | "cache_disabled"
  | "internal_error"
  | "invalid_params"
  | "task_type_not_allowed"
  | "lease_lost"
  | "result_too_large"
  | "unavailable";

type Reply = { readonly ok: true } & Members;
type Refused = { readonly ok: false; readonly error: RpcError; readonly detail?: string };

/** Under each name by which peers ask for it. */
const OPS: Readonly<Record<string, keyof Operations | "tool" | "cache">> = {
  submit: "submit",
  claim: "claim",
  claim_next: "claim",
  claim_many: "claimMany",
  claim_batch: "claimMany",
  complete: "complete",
  "task.complete": "complete",
  complete_task: "complete",
  release: "release",
  "task.release": "release",
  heartbeat: "heartbeat",
  "peer.heartbeat": "heartbeat",
  peer: "heartbeat",
  list: "list",
  "tasks.list": "list",
  "queue.list": "list",
  get: "get",
  wait: "wait",
  cancel: "cancel",
  "task.cancel": "cancel",
  status: "status",
  capabilities: "status",
  describe: "status",
  tool: "tool",
  call_tool: "tool",
  "tool.call": "tool",
  cache: "cache",
  "cache.get": "cache",
  cache_get: "cache",
  "cache.has": "cache",
  cache_has: "cache",
  "cache.set": "cache",
  cache_set: "cache",
  "cache.delete": "cache",
  cache_del: "cache",
  cache_delete: "cache",
};

type Operations = Record<
  | "submit"
  | "claim"
  | "claimMany"
  | "complete"
  | "release"
  | "heartbeat"
  | "list"
  | "get"
  | "wait"
  | "cancel"
  | "status",
  (asked: Asked) => Promise<Reply | Refused>
>;

const STATES: Readonly<Record<string, readonly TaskState[]>> = {
  queued: ["queued"],
  running: ["running", "cancelling"],
  completed: ["completed"],
  failed: ["failed"],
  cancelled: ["cancelled"],
};

/** What a reply has around the values in it. */
const REPLY_BYTES = 4_096;
const WAIT_S = 60;
const LISTED = { default: 50, most: 200 } as const;

const refused = (error: RpcError, detail?: string): Refused => ({
  ok: false,
  error,
  ...(detail !== undefined && { detail }),
});

/**
 * The operations by which nodes of the published implementation submit tasks here and work them off, on our own queue. Whoever
 * asks is known by its connection, sees its own tasks alone, and ends only what it has a lease for.
 *
 * @see docs/guide/mcp-p2p.md
 */
export class TaskQueueRpc {
  readonly #options: TaskQueueRpcOptions;
  readonly #leases: PeerLeases;
  readonly #operations: Operations;

  constructor(options: TaskQueueRpcOptions) {
    this.#options = options;
    this.#leases = new PeerLeases(options.clock);
    this.#operations = {
      submit: (asked) => this.#submit(asked),
      claim: (asked) => this.#claim(asked),
      claimMany: (asked) => this.#claimMany(asked),
      complete: (asked) => this.#complete(asked),
      release: (asked) => this.#release(asked),
      heartbeat: (asked) => this.#heartbeat(asked),
      list: (asked) => this.#list(asked),
      get: (asked) => this.#get(asked),
      wait: (asked) => this.#wait(asked),
      cancel: (asked) => this.#cancel(asked),
      status: (asked) => this.#status(asked),
    };
  }

  /** Never rejects: what went wrong is the reply. */
  async call(args: Members, caller: Caller): Promise<Members> {
    const { door, hygiene, peerId } = this.#options;
    const reply = await this.#reply(args, caller, () => door.opened(caller.signal));
    return hygiene.cleanValue({ ...reply, peer_id: peerId });
  }

  /** What peers have is queued again. Never rejects. */
  async close(): Promise<void> {
    const held: Promise<void>[] = [];
    this.#options.door.report((system) => void held.push(this.#leases.close(system)));
    await Promise.all(held);
  }

  async #reply(args: Members, caller: Caller, open: () => Promise<System>): Promise<Reply | Refused> {
    const { op } = args;
    const name = typeof op === "string" ? op.trim().toLowerCase() : "";
    const operation = Object.hasOwn(OPS, name) ? OPS[name] : undefined;
    if (operation === undefined) return refused("unknown_op");
    if (operation === "tool") return refused("tools_disabled");
    if (operation === "cache") return refused("cache_disabled");
    try {
      return await this.#operations[operation]({ args, ...caller, system: await open() });
    } catch (error) {
      return this.#failure(error);
    }
  }

  #failure(error: unknown): Refused {
    if (!isFault(error) || isFault(error, "DEFECT")) {
      this.#options.log.error("a request of a peer about tasks met a defect", { error });
      return refused("internal_error");
    }
    if (error.code === "LEASE_LOST" || error.code === "TASK_NOT_FOUND")
      return refused("lease_lost", error.message);
    return refused(isTransient(error) ? "unavailable" : "invalid_params", cutText(error.message, 500));
  }

  // --- giving tasks ---------------------------------------------------------------------------------------------------

  async #submit({ args, peerId, system, traceparent }: Asked): Promise<Reply | Refused> {
    const { clock, taskTypes } = this.#options;
    const type = typeIn(args);
    if (!taskTypes.includes(type))
      return refused("task_type_not_allowed", `task types that peers may submit: ${taskTypes.join(", ")}`);
    const request = submitted(args, peerId, clock.wallNow());
    // A type that no handler here has is for peers to claim, and the queue is to know that somebody may.
    await this.#leases.announce(system, TASK_QUEUE_TOOL, taskTypes);
    const trace = typeof traceparent === "string" ? { traceparent } : {};
    const { taskId, replayed } = await system.tasks.submit({ ...request, ...trace });
    return { ok: true, task_id: taskId, replayed };
  }

  async #cancel({ args, peerId, system }: Asked): Promise<Reply | Refused> {
    const taskId = textIn(args, "task_id", LIMITS.queue.nameChars);
    if (taskId === undefined) return refused("missing_task_id");
    const status = await this.#ownStatus(taskId, peerId, system);
    if (status === undefined || !isSubmitter(status, peerId))
      return { ok: true, task_id: taskId, cancelled: false };
    const reason =
      textIn(args, "reason", LIMITS.queue.reasonChars) ?? "cancelled by the peer that submitted it";
    const { cancelled, cancelling } = await system.tasks.cancel(taskId, { reason });
    return { ok: true, task_id: taskId, cancelled: cancelled + cancelling > 0 };
  }

  // --- taking tasks ---------------------------------------------------------------------------------------------------

  async #claim(asked: Asked): Promise<Reply | Refused> {
    const claimed = await this.#claimUpTo(asked, 1, false);
    return "ok" in claimed ? claimed : { ok: true, task: claimed.tasks[0] ?? null };
  }

  async #claimMany(asked: Asked): Promise<Reply | Refused> {
    const { args } = asked;
    const given = args["max_tasks"] === undefined ? "limit" : "max_tasks";
    const max = wholeIn(args, given, { least: 1, most: LIMITS.mcp.peerTasks, otherwise: 1 });
    const claimed = await this.#claimUpTo(asked, max, args["same_task_type"] !== false);
    return "ok" in claimed ? claimed : { ok: true, tasks: claimed.tasks };
  }

  async #claimUpTo(
    asked: Asked,
    max: number,
    isOneType: boolean,
  ): Promise<{ readonly tasks: readonly Members[] } | Refused> {
    const { args, peerId, system, signal } = asked;
    const workerId = textIn(args, "worker_id");
    if (workerId === undefined) return refused("missing_worker_id");
    const { taskTypes } = this.#options;
    const types = typesIn(args)?.filter((type) => taskTypes.includes(type)) ?? taskTypes;
    if (types.length === 0) return { tasks: [] };
    const capabilities = claimCapabilities(args, workerId);
    const claim = { peerId, workerId, types, capabilities, max: isOneType ? 1 : max };
    const held = [...(await this.#leases.claim(system, claim))];
    const first = held[0]?.lease.action;
    if (isOneType && first !== undefined && max > 1)
      held.push(...(await this.#leases.claim(system, { ...claim, types: [first], max: max - 1 })));
    if (signal.aborted) return this.#giveBack(asked, held);
    return { tasks: await this.#told(asked, held) };
  }

  /** Nobody hears of them: they would wait for the end of their leases. */
  async #giveBack({ peerId, system }: Asked, held: readonly HeldTask[]): Promise<{ tasks: Members[] }> {
    for (const { lease } of held)
      await this.#leases.finish(system, peerId, lease.taskId, { kind: "returned" }).catch(() => undefined);
    return { tasks: [] };
  }

  /** As many as one reply can carry; the others go back. */
  async #told(asked: Asked, held: readonly HeldTask[]): Promise<Members[]> {
    const { peerId, system } = asked;
    const tasks: Members[] = [];
    let leftBytes = this.#options.frameBytes - REPLY_BYTES;
    for (const [at, each] of held.entries()) {
      const { lease, workerId } = each;
      const payload = plainJson(await wholeValue(unpackValue(lease.input), system));
      const sizeBytes = jsonBytes(payload) + REPLY_BYTES;
      if (sizeBytes > leftBytes && tasks.length > 0) {
        await this.#giveBack(asked, held.slice(at));
        break;
      }
      if (sizeBytes > leftBytes) {
        // No peer could ever be told it. As a failure it comes to an end that people see.
        const why = `its payload has ${sizeBytes} bytes, which is more than a message to a peer may have`;
        await this.#leases.finish(system, peerId, lease.taskId, failedWith(lease.action, why));
        continue;
      }
      leftBytes -= sizeBytes;
      const { submittedAtMs } = await system.tasks.status(lease.taskId);
      const model = isMembers(payload) ? payload["model_name"] : undefined;
      tasks.push({
        task_id: lease.taskId,
        task_type: lease.action,
        model_name: typeof model === "string" ? model : "",
        payload,
        created_at: submittedAtMs / 1_000,
        status: "running",
        assigned_worker: workerId,
        attempt: lease.attempt,
      });
    }
    return tasks;
  }

  async #complete({ args, peerId, system }: Asked): Promise<Reply | Refused> {
    const taskId = textIn(args, "task_id", LIMITS.queue.nameChars);
    if (taskId === undefined) return refused("missing_task_id");
    const held = this.#leases.get(peerId, taskId);
    if (held === undefined) return refused("lease_lost");
    const { result, error } = args;
    const status = textIn(args, "status") ?? "completed";
    const why = typeof error === "string" ? cutText(error, 2_000) : `its worker said "${status}"`;
    const end =
      status.toLowerCase() === "completed"
        ? completedWith(isMembers(result) ? result : { result: result ?? null })
        : failedWith(held.lease.action, why);
    const state = await this.#leases.finish(system, peerId, taskId, end);
    return { ok: true, task_id: taskId, status: state };
  }

  async #release({ args, peerId, system }: Asked): Promise<Reply | Refused> {
    const taskId = textIn(args, "task_id", LIMITS.queue.nameChars);
    if (taskId === undefined) return refused("missing_task_id");
    const workerId = textIn(args, "worker_id");
    if (workerId === undefined) return refused("missing_worker_id");
    if (this.#leases.get(peerId, taskId)?.workerId !== workerId) return refused("lease_lost");
    const status = await this.#leases.finish(system, peerId, taskId, { kind: "returned" });
    return { ok: true, task_id: taskId, status };
  }

  async #heartbeat({ peerId, system }: Asked): Promise<Reply> {
    const { held, cancelling } = await this.#leases.renew(system, peerId);
    const seen = { peer_id: peerId, last_seen: this.#options.clock.wallNow() / 1_000 };
    // Who else is there is not for peers to hear, and there is no clock of theirs here.
    return { ok: true, peer: peerId, scheduler: { clock: null, known_peers: [seen] }, held, cancelling };
  }

  // --- looking --------------------------------------------------------------------------------------------------------

  async #list({ args, peerId, system }: Asked): Promise<Reply> {
    const status = textIn(args, "status")?.toLowerCase();
    const states = status === undefined ? undefined : statesOf(status);
    const limit = wholeIn(args, "limit", { least: 1, most: LISTED.most, otherwise: LISTED.default });
    const types = typesIn(args);
    const filter = { tags: [tagOf(peerId)], ...(states && { states }) };
    const { tasks } = await system.tasks.list({ ...filter, limit: types ? LIMITS.lists.pageItems : limit });
    const listed = types ? tasks.filter(({ action }) => types.includes(action)) : tasks;
    return { ok: true, tasks: listed.slice(0, limit).map((each) => this.#viewOf(each, peerId)) };
  }

  async #get({ args, peerId, system }: Asked): Promise<Reply | Refused> {
    const taskId = textIn(args, "task_id", LIMITS.queue.nameChars);
    if (taskId === undefined) return refused("missing_task_id");
    const status = await this.#ownStatus(taskId, peerId, system);
    return { ok: true, task: status ? await this.#whole(status, peerId, system) : null };
  }

  async #wait(asked: Asked): Promise<Reply | Refused> {
    const { args, peerId, system, signal } = asked;
    const taskId = textIn(args, "task_id", LIMITS.queue.nameChars);
    if (taskId === undefined) return refused("missing_task_id");
    const waitMs = Math.min(secondsIn(args, "timeout_s", WAIT_S), LIMITS.mcp.peerRequestMs - ANSWER_MS);
    if ((await this.#ownStatus(taskId, peerId, system)) === undefined) return { ok: true, task: null };
    try {
      await system.tasks.wait(taskId, { signal, timeoutMs: waitMs });
    } catch (error) {
      if (!isFault(error, "DEADLINE_EXCEEDED") && !isFault(error, "TASK_NOT_FOUND")) throw error;
    }
    return this.#get(asked);
  }

  async #status({ args, system }: Asked): Promise<Reply> {
    const capabilities = {
      ops: Object.keys(OPS),
      task_types: [...this.#options.taskTypes],
      tools: false,
      cache: false,
    };
    const about = { ok: true, capabilities, nat: null, session: "" } as const;
    if (args["detail"] !== true) return about;
    const { queued, running, completed, failed, cancelled } = await system.tasks.stats();
    return { ...about, queue: { queued, running, completed, failed, cancelled } };
  }

  /** Undefined: there is none that is the peer's own. */
  async #ownStatus(taskId: string, peerId: string, system: System): Promise<TaskStatus | undefined> {
    try {
      const status = await system.tasks.status(taskId);
      const isOwn = isSubmitter(status, peerId) || status.workerId === workerOf(peerId);
      return isOwn ? status : undefined;
    } catch (error) {
      if (isFault(error, "TASK_NOT_FOUND")) return undefined;
      throw error;
    }
  }

  #viewOf(status: TaskStatus, peerId: string): Members {
    const { taskId, action, state, submittedAtMs, startedAtMs, endedAtMs, workerId } = status;
    const label = this.#leases.get(peerId, taskId)?.workerId;
    return {
      task_id: taskId,
      task_type: action,
      status: state === "cancelling" ? "running" : state,
      assigned_worker: label ?? workerId,
      created_at: submittedAtMs / 1_000,
      updated_at: (endedAtMs ?? startedAtMs ?? submittedAtMs) / 1_000,
      priority: status.priority,
      attempt: status.attempt,
      max_attempts: status.attempts,
    };
  }

  /** With what came of it, when it has ended. */
  async #whole(status: TaskStatus, peerId: string, system: System): Promise<Members> {
    const view = this.#viewOf(status, peerId);
    if (status.endedAtMs === null) return { ...view, result: null, error: null };
    const { output, error }: TaskResult = await system.tasks.result(status.taskId);
    const result = output === undefined ? null : plainJson(await wholeValue(output, system));
    const sizeBytes = jsonBytes(result);
    const isTooLarge = sizeBytes > this.#options.frameBytes - REPLY_BYTES;
    return {
      ...view,
      result: isTooLarge ? { truncated: true, size_bytes: sizeBytes } : result,
      error: error?.message ?? null,
    };
  }
}

/** What the answer may take beyond the wait. */
const ANSWER_MS = 5_000;

/** The same request may succeed later. */
const isTransient = (error: Fault): boolean => error.retryable || error.code === "CANCELLED";

const isSubmitter = ({ tags }: TaskStatus, peerId: string): boolean => tags.includes(tagOf(peerId));

function statesOf(status: string): readonly TaskState[] {
  const states = Object.hasOwn(STATES, status) ? STATES[status] : undefined;
  if (states) return states;
  throw invalidArgument("status", shortText(status), Object.keys(STATES).join(", "));
}
