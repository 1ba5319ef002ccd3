import { packValue } from "../../src/codec/index.ts";
import type { TaskSpec } from "../../src/queue/queue.protocol.ts";
import { isBusy } from "./model.ts";
import type { Requests } from "./requests.ts";
import { specOf } from "./specs.ts";

/** Sends one command, or none when there is nothing to send it for. */
export type Command = (requests: Requests) => void;

function submit(r: Requests, name: string, tasks: TaskSpec[]): void {
  r.specs.push(...tasks);
  r.send(name, tasks, (queue, options) => queue.submit({ tasks }, options), {
    reply: ({ tasks: receipts }, since) => r.replies.receipts(tasks, receipts, since),
  });
}

/** What those who submit tasks send. */
export const TASK_COMMANDS: Readonly<Record<string, readonly [weight: number, Command]>> = {
  submit: [16, (r) => submit(r, "submit", [specOf(r, [])])],
  submit_many: [
    8,
    (r) => {
      const tasks: TaskSpec[] = [];
      for (let left = 2 + r.below(4); left > 0; left--) tasks.push(specOf(r, tasks));
      submit(r, "submit_many", tasks);
    },
  ],
  submit_again: [
    3,
    (r) => {
      const spec = r.pick(r.specs.slice(-20));
      if (!spec) return;
      submit(r, "submit_again", [r.chance(0.85) ? spec : { ...spec, input: packValue({ other: true }) }]);
    },
  ],
  submit_under_a_key: [
    3,
    (r) => {
      const spec = r.pick(r.specs.slice(-12));
      if (!spec) return;
      const idempotencyKey = `of ${r.chance(0.9) ? spec.taskId : "another"}`;
      if (r.chance(0.5)) return submit(r, "submit_under_a_key", [{ ...spec, idempotencyKey }]);
      const taskId = `t${r.taskIds.length}`;
      r.taskIds.push(taskId);
      submit(r, "submit_under_a_key", [{ ...spec, taskId, idempotencyKey }]);
    },
  ],
  cancel: [
    4,
    (r) => {
      const taskIds = Array.from({ length: 1 + r.below(3) }, () => r.someId());
      const running = r.pick([...r.checker.model.live].filter(isBusy));
      if (running && r.chance(0.5)) taskIds.push(running.taskId);
      const force = r.chance(0.3);
      r.send(
        "cancel",
        { taskIds, force },
        (queue, options) => queue.cancel({ taskIds, reason: "chance", force }, options),
        {
          reply: (_, since) => r.replies.cancelled(taskIds, since),
        },
      );
    },
  ],
  reprioritize: [
    4,
    (r) => {
      const taskId = r.someId();
      const to = r.chance(0.5) ? { priority: r.below(8) } : { delta: r.below(5) - 2 };
      r.send(
        "reprioritize",
        { taskId, to },
        (queue, options) => queue.reprioritize({ taskId, to }, options),
        {
          reply: ({ after }, since) => r.replies.reprioritized(taskId, after, since),
        },
      );
    },
  ],
  retry: [
    2,
    (r) => {
      const over = [...r.checker.model.tasks.values()].filter(
        ({ life }) => life.state === "failed" || life.state === "cancelled",
      );
      const taskId = r.pick(over)?.taskId;
      if (taskId === undefined) return;
      r.send(
        "retry",
        taskId,
        (queue, options) => queue.retry({ taskId, ...(r.chance(0.5) ? { attempts: 2 } : {}) }, options),
        {
          reply: (made) => {
            r.taskIds.push(made.taskId);
            r.replies.made(made.taskId);
          },
        },
      );
    },
  ],
  release: [
    2,
    (r) => {
      const group = `g${r.below(4)}`;
      if (r.busy.has(group)) return;
      r.alone(group, "release", group, (queue, options) => queue.release({ group }, options), {
        reply: () => r.replies.released(group),
      });
    },
  ],
  status: [
    6,
    (r) => {
      const taskId = r.someId();
      const known = r.checker.model.tasks.get(taskId);
      r.send("status", taskId, (queue, options) => queue.status({ taskId }, options), {
        reply: (status, since) => r.replies.status(status, since),
        refused: (code) => {
          if (code === "TASK_NOT_FOUND") r.replies.missing(taskId, known);
        },
      });
    },
  ],
  outcome: [
    3,
    (r) => {
      const taskId = r.someId();
      r.send("outcome", taskId, (queue, options) => queue.outcome({ taskId }, options), {
        reply: (outcome, since) => r.replies.outcome(outcome, since),
      });
    },
  ],
  wait: [
    3,
    (r) => {
      const taskId = r.someId();
      r.send("wait", taskId, (queue, options) => queue.wait({ taskId }, options), {
        reply: (outcome, since) => r.replies.outcome(outcome, since),
      });
    },
  ],
  list: [
    2,
    (r) => {
      const page = { filter: {}, offset: r.below(20), limit: 1 + r.below(40) };
      r.send("list", page, (queue, options) => queue.list(page, options), {
        reply: ({ tasks }, since) => {
          for (const status of tasks) r.replies.status(status, since);
        },
      });
    },
  ],
  group: [
    1,
    (r) => {
      const page = { group: `g${r.below(4)}`, offset: 0, limit: 20 };
      r.send("group", page, (queue, options) => queue.group(page, options), {
        reply: ({ tasks }, since) => {
          for (const status of tasks) r.replies.status(status, since);
        },
      });
    },
  ],
  explain: [
    5,
    (r) => {
      const taskId = r.pick([...r.checker.model.live])?.taskId ?? r.someId();
      r.send("explain", taskId, (queue, options) => queue.explain({ taskId }, options), {
        reply: ({ ordering, blockers }, since) => {
          const dependency = blockers.find((each) => each.cause === "dependency");
          r.replies.ordering(taskId, ordering.key, dependency?.taskIds ?? [], since);
        },
      });
    },
  ],
  position: [
    1,
    (r) => r.send("position", null, (queue, options) => queue.position({ taskId: r.someId() }, options)),
  ],
  attempts: [
    1,
    (r) => r.send("attempts", null, (queue, options) => queue.attempts({ taskId: r.someId() }, options)),
  ],
  logs: [
    2,
    (r) => {
      const taskId = r.someId();
      r.send("logs", taskId, (queue, options) => queue.logs({ taskId, offset: 0, limit: 5 }, options), {
        reply: ({ lines }) => r.replies.lines(taskId, lines),
      });
    },
  ],
  admission: [
    1,
    (r) => {
      const task = {
        taskId: "asked",
        action: "echo",
        input: packValue(1),
        deadlineMs: r.clock.wallNow() + 1_000,
      };
      r.send("admission", null, (queue, options) => queue.admission({ task }, options));
    },
  ],
};
