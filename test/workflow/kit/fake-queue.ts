import type { RefOf } from "../../../src/actor/index.ts";
import { packValue, unpackValue } from "../../../src/codec/index.ts";
import { fault, toWireError } from "../../../src/errors/index.ts";
import type { Clock, Random, Scheduler } from "../../../src/scope/index.ts";
import {
  Queue,
  type TaskOutcome,
  type TaskReceipt,
  type TaskSpec,
  type TaskState,
} from "../../../src/queue/queue.protocol.ts";
import { parseTaskId } from "../../../src/workflow/task-id.ts";
import { verdictOf, type Fate } from "./definitions.ts";
import { FakeLink } from "./fake-link.ts";
import { QUEUED } from "./queued-task.ts";

type Task = { -readonly [K in keyof TaskOutcome]: TaskOutcome[K] } & { readonly input: Uint8Array };

/** What a test calls a task: `a`, `a[1]`, `a/when`. The first of several items has the name of its step. */
export function nameOfTask(taskId: string): string {
  const { stepId, part, index } = parseTaskId(taskId) ?? { stepId: taskId, part: "run", index: 0 };
  if (part !== "run") return `${stepId}/${part}`;
  return index === 0 ? stepId : `${stepId}[${index}]`;
}

const hasEnded = ({ state }: Task): boolean => ["completed", "failed", "cancelled"].includes(state);

/** A queue whose tasks outlive it, and whose handlers do what the test says when the test says so. */
export class FakeQueue {
  readonly link: FakeLink;
  readonly ref: RefOf<typeof Queue>;
  readonly tasks = new Map<string, Task>();
  /** What each cancellation asked for, in its order. */
  readonly cancellations: string[][] = [];
  /** How a task ends. */
  fateOf: (name: string) => Fate = () => "completed";
  /** What a task returns. */
  outputOf: (name: string, input: unknown) => unknown = (name) =>
    name.endsWith("/when") ? verdictOf(name) : { id: name };
  actions = ["echo", "transform"];
  /** Those that a worker outside takes. */
  outside: readonly string[] = [];
  /** Hash of the module of an action; built-in ones have none. */
  readonly modules = new Map<string, string>();
  /** Tasks after which a page of a group ends early. */
  pageTasks = Infinity;
  /** Throws what the queue refuses a batch with. */
  mayTake: (specs: readonly TaskSpec[]) => void = () => undefined;
  readonly #clock: Clock;

  constructor(turns: Scheduler, clock: Clock) {
    this.#clock = clock;
    const link = new FakeLink("queue", turns);
    this.link = link;
    const never = (): never => {
      throw new Error("the scheduler does not ask for this");
    };
    const askActions = link.member("actions", () =>
      this.actions.map((name) => ({
        name,
        description: "",
        module: "built-in",
        isolation: "shared",
        timeoutMs: null,
        moduleSha256: this.modules.get(name) ?? null,
      })),
    );
    const asked: Record<string, unknown> = {
      submit: link.member("submit", ({ tasks }: { tasks: TaskSpec[] }) => ({ tasks: this.#submit(tasks) })),
      group: link.member(
        "group",
        ({ group, offset, limit }: { group: string; offset: number; limit: number }) => {
          const all = [...this.tasks.values()].filter((task) => task.group === group);
          const end = offset + Math.min(limit, this.pageTasks);
          return { tasks: all.slice(offset, end), total: all.length };
        },
      ),
      cancel: link.member("cancel", (params: { taskIds: string[]; reason: string }) => this.#cancel(params)),
      withdraw: link.member("withdraw", ({ taskIds }: { taskIds: string[] }) => {
        const withdrawn = taskIds.filter((id) => {
          const task = this.tasks.get(id);
          return task?.state === "queued" && task.attempt === 0;
        });
        for (const id of withdrawn) this.tasks.delete(id);
        return { withdrawn };
      }),
      reprioritize: link.member(
        "reprioritize",
        ({ taskId, to }: { taskId: string; to: { priority: number } }) => {
          const task = this.tasks.get(taskId);
          if (!task) throw fault("TASK_NOT_FOUND", { taskId });
          if (hasEnded(task)) throw fault("TASK_ENDED", { taskId, state: task.state, wanted: "changed" });
          const before = task.priority;
          task.priority = to.priority;
          return { before, after: to.priority };
        },
      ),
      elsewhere: link.member("elsewhere", ({ actions }: { actions: string[] }) => ({
        actions: actions.filter((action) => this.outside.includes(action)),
      })),
      references: link.member("references", () => ({ addresses: [], next: null, attemptMs: 0 })),
      forget: link.member("forget", ({ group }: { group: string }) => {
        for (const [taskId, task] of this.tasks) if (task.group === group) this.tasks.delete(taskId);
        return { forgotten: 0 };
      }),
      actions: (_: unknown, options: Parameters<typeof askActions>[1]) => askActions({}, options),
    };
    const calls = Object.keys(Queue.members).map((name) => [name, asked[name] ?? never]);
    this.ref = {
      name: "queue",
      call: Object.fromEntries(calls) as RefOf<typeof Queue>["call"],
      cast: {},
      on: {
        started: (options) => link.subscribe("started", options),
        progressed: (options) => link.subscribe("progressed", options),
        settled: (options) => link.subscribe("settled", options),
        recalled: (options) => link.subscribe("recalled", options),
        attemptProgressed: (options) => link.subscribe("attemptProgressed", options),
      },
      writable: () => Promise.resolve(),
      ready: link.ready,
      shared: () => null,
    };
  }

  /** What ran is interrupted, as after a crash. */
  kill(): void {
    this.link.kill();
    for (const task of this.tasks.values()) {
      if (task.state === "running") Object.assign(task, { state: "queued", attempt: task.attempt - 1 });
      if (task.state === "cancelling") this.#end(task, "cancelled");
    }
  }

  get open(): Task[] {
    return [...this.tasks.values()].filter((task) => !hasEnded(task));
  }

  /** By its own id, or by what a test calls it: of the run that was submitted last. */
  task(id: string): Task {
    const task =
      this.tasks.get(id) ?? [...this.tasks.values()].findLast(({ taskId }) => nameOfTask(taskId) === id);
    if (!task) throw new Error(`the queue has no task ${id}`);
    return task;
  }

  /** Starts or ends one task, chosen by chance; false when there is none. */
  work(random: Random): boolean {
    const { open } = this;
    const task = open[Math.floor(random.next() * open.length)];
    if (!task || !this.link.isUp) return false;
    if (task.state === "queued") this.start(task.taskId);
    else this.settle(task.taskId, this.fateOf(nameOfTask(task.taskId)));
    return true;
  }

  start(id: string, workerId = "local"): void {
    const task = this.task(id);
    const startedAtMs = this.#clock.wallNow();
    Object.assign(task, { state: "running", attempt: task.attempt + 1, startedAtMs, workerId });
    const { taskId, group, attempt } = task;
    this.link.emit("started", { taskId, group, attempt, startedAtMs, workerId });
  }

  progress(id: string, progress: number, message = ""): void {
    const task = this.task(id);
    task.progress = progress;
    this.link.emit("progressed", { taskId: task.taskId, group: task.group, progress, message });
  }

  settle(id: string, fate = this.fateOf(id)): void {
    const task = this.task(id);
    if (task.state === "cancelling" && fate === "failed") this.#end(task, "cancelled");
    else this.#end(task, fate);
  }

  #submit(specs: readonly TaskSpec[]): TaskReceipt[] {
    for (const { action } of specs) {
      if (!this.actions.includes(action)) throw fault("UNKNOWN_ACTION", { action, known: this.actions });
    }
    this.mayTake(specs);
    return specs.map((spec) => {
      const known = this.tasks.get(spec.taskId);
      if (known && Buffer.compare(known.input, spec.input) !== 0) {
        throw fault("ALREADY_EXISTS", { kind: "task", name: spec.taskId });
      }
      const task = known ?? this.#newTask(spec);
      this.tasks.set(spec.taskId, task);
      return { taskId: task.taskId, state: task.state, replayed: known !== undefined };
    });
  }

  #newTask({ taskId, action, input, group = "", priority = 1 }: TaskSpec): Task {
    return {
      ...QUEUED,
      taskId,
      action,
      input,
      group,
      priority,
      submittedAtMs: this.#clock.wallNow(),
    };
  }

  #cancel({ taskIds }: { taskIds: string[] }): { cancelled: number; cancelling: number } {
    this.cancellations.push(taskIds.map(nameOfTask));
    const tasks = taskIds.map((taskId) => {
      const task = this.tasks.get(taskId);
      if (!task) throw fault("TASK_NOT_FOUND", { taskId });
      return task;
    });
    for (const task of tasks) {
      if (task.state === "queued") this.#end(task, "cancelled");
      else if (task.state === "running") task.state = "cancelling";
    }
    return { cancelled: 0, cancelling: 0 };
  }

  #end(task: Task, state: Fate): void {
    const name = nameOfTask(task.taskId);
    if (hasEnded(task)) throw new Error(`${name} ends twice`);
    const action = task.action;
    task.state = state satisfies TaskState;
    task.endedAtMs = this.#clock.wallNow();
    if (state === "completed") task.output = packValue(this.outputOf(name, unpackValue(task.input)));
    if (state === "failed") task.error = toWireError(fault("HANDLER_FAILED", { action, text: `no ${name}` }));
    if (state === "cancelled") task.error = toWireError(fault("CANCELLED", { what: `task of ${name}` }));
    if (this.link.isUp) this.link.emit("settled", task);
  }
}
