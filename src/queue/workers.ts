import { fault } from "../errors/index.ts";
import type { WorkerSpec, WorkerState, WorkerStatus } from "./queue.protocol.ts";
import type { Lane } from "./lanes.ts";
import type { Task } from "./task.ts";

/** The queue's own pool, as a worker. */
export const LOCAL = "local";

/** Silent for so long after its last lease, a worker is offline. */
const SILENT_MS = 60_000;

export interface LocalRoom {
  /** Handlers that have a thread each, at once. */
  readonly threads: number;
  /** Handlers that share threads, at once. */
  readonly shared: number;
}

/** Whoever takes tasks: what it can do, how much, and what it has. */
export abstract class Worker {
  readonly workerId: string;
  readonly registeredAtMs: number;
  readonly running = new Set<Task>();
  lastSeenMs: number;
  completed = 0;
  failed = 0;
  draining = false;

  constructor(workerId: string, nowMs: number) {
    this.workerId = workerId;
    this.registeredAtMs = nowMs;
    this.lastSeenMs = nowMs;
  }

  /** Could it ever do tasks of this lane? */
  abstract can(lane: Pick<Lane, "action" | "place" | "requires">): boolean;
  /** Has it room for one of them now? */
  abstract hasRoom(lane: Lane): boolean;
  /** Tasks of this lane that it may have at once. */
  abstract roomFor(lane: Lane): number;
  abstract isOffline(nowMs: number): boolean;
  /** Will it never take a task, whichever? So it is with the own pool of a queue that was opened for a look. */
  get runsNothing(): boolean {
    return false;
  }
  abstract status(nowMs: number): WorkerStatus;

  protected state(nowMs: number, room: number): WorkerState {
    if (this.draining) return "draining";
    if (this.isOffline(nowMs)) return "offline";
    if (this.running.size === 0) return "idle";
    return this.running.size < room ? "active" : "busy";
  }

  protected get common(): Omit<
    WorkerStatus,
    "state" | "capabilities" | "maxConcurrent" | "resourceLimits" | "metadata"
  > {
    const { workerId, registeredAtMs, lastSeenMs, running, completed, failed } = this;
    return {
      workerId,
      registeredAtMs,
      lastSeenMs,
      running: Array.from(running, ({ taskId }) => taskId),
      completed,
      failed,
    };
  }
}

export class LocalWorker extends Worker {
  readonly #room: LocalRoom;
  #onThreads = 0;
  /** Those that an earlier life had, which nobody knows the places of: until they are taken back they fill either. */
  #left = 0;

  constructor(room: LocalRoom, nowMs: number) {
    super(LOCAL, nowMs);
    this.#room = room;
  }

  override get runsNothing(): boolean {
    return this.#room.threads + this.#room.shared === 0;
  }

  /** Tasks are counted where they run; `running` holds both kinds. */
  count(task: Task, by: 1 | -1): void {
    const { place } = task.life;
    if (place === "thread") this.#onThreads += by;
    else if (place === null) this.#left += by;
  }

  can(lane: Pick<Lane, "place" | "requires">): boolean {
    return lane.place !== "elsewhere" && lane.requires.length === 0;
  }

  hasRoom(lane: Lane): boolean {
    if (lane.place === "thread") return this.#onThreads + this.#left < this.#room.threads;
    return this.running.size - this.#onThreads < this.#room.shared;
  }

  roomFor({ place }: Lane): number {
    return place === "thread" ? this.#room.threads : this.#room.shared;
  }

  isOffline(): boolean {
    return false;
  }

  status(nowMs: number): WorkerStatus {
    const { threads, shared } = this.#room;
    return {
      ...this.common,
      lastSeenMs: nowMs,
      state: this.state(nowMs, threads + shared),
      capabilities: [],
      maxConcurrent: threads + shared,
      resourceLimits: {},
      metadata: {},
    };
  }
}

export class OutsideWorker extends Worker {
  readonly spec: WorkerSpec;
  readonly #capabilities: ReadonlySet<string>;
  readonly #actions: ReadonlySet<string>;
  readonly #maxConcurrent: number;

  constructor(spec: WorkerSpec, nowMs: number) {
    super(spec.workerId, nowMs);
    this.spec = spec;
    this.#capabilities = new Set(spec.capabilities);
    this.#actions = spec.actions === undefined ? this.#capabilities : new Set(spec.actions);
    this.#maxConcurrent = spec.maxConcurrent ?? 5;
  }

  can({ action, requires }: Pick<Lane, "action" | "requires">): boolean {
    return this.#actions.has(action) && requires.every((each) => this.#capabilities.has(each));
  }

  hasRoom(): boolean {
    return this.running.size < this.#maxConcurrent;
  }

  roomFor(): number {
    return this.#maxConcurrent;
  }

  isOffline(nowMs: number): boolean {
    return this.running.size === 0 && nowMs - this.lastSeenMs > SILENT_MS;
  }

  status(nowMs: number): WorkerStatus {
    const { capabilities, resourceLimits = {}, metadata = {} } = this.spec;
    return {
      ...this.common,
      state: this.state(nowMs, this.#maxConcurrent),
      capabilities,
      maxConcurrent: this.#maxConcurrent,
      resourceLimits,
      metadata,
    };
  }
}

/** All workers by their ids; the local one is always there. */
export class Workers {
  readonly local: LocalWorker;
  readonly #all = new Map<string, Worker>();

  constructor(room: LocalRoom, nowMs: number) {
    this.local = new LocalWorker(room, nowMs);
    this.#all.set(LOCAL, this.local);
  }

  all(): Worker[] {
    return [...this.#all.values()];
  }

  /** Has any of those outside handlers for the action? */
  areOutside(action: string): boolean {
    for (const worker of this.#all.values()) {
      if (worker !== this.local && worker.can({ action, place: "elsewhere", requires: [] })) return true;
    }
    return false;
  }

  find(workerId: string): Worker | undefined {
    return this.#all.get(workerId);
  }

  /** @throws UNKNOWN_NAME */
  get(workerId: string): Worker {
    const worker = this.#all.get(workerId);
    if (worker) return worker;
    throw fault("UNKNOWN_NAME", {
      kind: "worker",
      name: workerId,
      known: [...this.#all.keys()].slice(0, 100),
    });
  }

  /** @throws UNKNOWN_NAME, also for the queue's own pool, which is not leased to */
  outside(workerId: string): OutsideWorker {
    const worker = this.get(workerId);
    if (worker instanceof OutsideWorker) return worker;
    throw fault("INVALID_ARGUMENT", {
      argument: "workerId",
      got: `"${LOCAL}"`,
      allowed: "any other id: this worker is the queue's own pool",
    });
  }

  /** A worker that registers again, after a restart of its own, keeps what it has. */
  add(spec: WorkerSpec, nowMs: number): OutsideWorker {
    const known = this.#all.get(spec.workerId);
    const worker = new OutsideWorker(spec, nowMs);
    if (known) {
      for (const task of known.running) worker.running.add(task);
      worker.completed = known.completed;
      worker.failed = known.failed;
    }
    this.#all.set(spec.workerId, worker);
    return worker;
  }

  remove(workerId: string): void {
    this.#all.delete(workerId);
  }
}
