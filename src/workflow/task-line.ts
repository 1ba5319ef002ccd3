import { IndexedHeap } from "../order/index.ts";
import type { Effect } from "./run-effect.ts";
import type { RunTask, Urgency } from "./run-step.ts";
import { isInQueue, isMoreUrgent } from "./run-task.ts";
import { formatTaskId, parseTaskId } from "./task-id.ts";

/**
 * The way of a run's tasks into the queue: at most so many are there at a time, and the others wait in line, the most
 * urgent first, then in the order in which they entered it. While it is held, nobody gets in.
 */
export class TaskLine {
  readonly #workflowId: string;
  readonly #room: number;
  readonly #perform: (effect: Effect) => void;
  readonly #inQueue = new Map<string, RunTask>();
  readonly #waiting = new IndexedHeap<RunTask>(goesFirst);
  #turns = 0;
  #isHeld = false;
  #generation = 0;

  constructor(workflowId: string, room: number, perform: (effect: Effect) => void) {
    this.#workflowId = workflowId;
    this.#room = room;
    this.#perform = perform;
  }

  /** Tasks that may be in the queue. */
  get inQueue(): IterableIterator<RunTask> {
    return this.#inQueue.values();
  }

  get size(): number {
    return this.#inQueue.size;
  }

  find(taskId: string): RunTask | undefined {
    return this.#inQueue.get(taskId);
  }

  /** Those that the queue has from before the last pause and has not started, as far as is known. */
  get outdated(): RunTask[] {
    return [...this.inQueue].filter(
      ({ place, generation }) => place === "queue" && generation < this.#generation,
    );
  }

  enter(task: RunTask, urgency: Urgency): void {
    task.place = "line";
    task.urgency = urgency;
    task.turn = ++this.#turns;
    this.#waiting.insert(task);
  }

  /** The queue has it already, under this id and with this priority. */
  takeIn(task: RunTask, taskId: string, urgency: Urgency, askedPriority: number): void {
    this.#enterQueue(task, taskId, parseTaskId(taskId)?.generation ?? 0);
    task.urgency = urgency;
    task.askedPriority = askedPriority;
  }

  /** The queue has given it back: it stands where it stood, and is asked for anew in its turn. */
  putBack(task: RunTask): void {
    this.#inQueue.delete(task.taskId);
    task.place = "line";
    this.#waiting.insert(task);
  }

  /** It has ended, or is not wanted any more. */
  leave(task: RunTask): void {
    if (task.place === "line") this.#waiting.remove(task);
    if (isInQueue(task)) this.#inQueue.delete(task.taskId);
    task.place = "ended";
    task.input = null;
  }

  change(task: RunTask, urgency: Urgency): void {
    const isWaiting = task.place === "line" && this.#waiting.remove(task);
    task.urgency = urgency;
    if (isWaiting) this.#waiting.insert(task);
    if (isInQueue(task) && task.askedPriority !== urgency.priority)
      this.#perform({ type: "reprioritize", task });
  }

  /** @param generation what is asked for from now on has it in its name */
  hold(generation: number): void {
    this.#isHeld = true;
    this.#generation = generation;
  }

  release(): void {
    this.#isHeld = false;
  }

  /** As many move up as there is room for: to be called when all that has happened is known. */
  fill(): void {
    while (!this.#isHeld && this.#inQueue.size < this.#room) {
      const task = this.#waiting.pop();
      if (!task) return;
      this.#enterQueue(task, this.#nameOf(task), this.#generation);
      task.askedPriority = task.urgency.priority;
      this.#perform({ type: "submitTask", task });
    }
  }

  #enterQueue(task: RunTask, taskId: string, generation: number): void {
    task.place = "queue";
    task.taskId = taskId;
    task.generation = generation;
    this.#inQueue.set(taskId, task);
  }

  #nameOf({ step, part, index }: RunTask): string {
    const { stepId } = step.definition;
    return formatTaskId({
      workflowId: this.#workflowId,
      stepId,
      part,
      index,
      generation: this.#generation,
    });
  }
}

function goesFirst(a: RunTask, b: RunTask): boolean {
  const [one, other] = [a.urgency, b.urgency];
  if (one.priority === other.priority && one.deadlineMs === other.deadlineMs) return a.turn < b.turn;
  return isMoreUrgent(one, other);
}
