import { isFault } from "../../src/errors/index.ts";
import type { CoreOptions, QueueCore } from "../../src/queue/queue.core.ts";
import type { Checker } from "./checker.ts";

/**
 * Lets the checker follow every command that a core is given, at the moment at which it is decided. The core does
 * not notice: what it answers and throws passes as it is.
 *
 * @param isAlive false when the life that this core belongs to is over: what a killed actor's promises still do to
 *   its own core reaches nobody, the checker neither
 */
export function observed(
  core: QueueCore,
  options: CoreOptions,
  checker: Checker,
  isAlive: () => boolean,
): QueueCore {
  const {
    submit,
    retry,
    claim,
    setQuota,
    removeQuota,
    restoreQuotas,
    settle,
    cancel,
    reprioritize,
    renew,
    forget,
    release,
    unrelease,
    undo,
    load,
    place,
    workers,
  } = core;
  checker.opened(options);
  /** What the core does, and then what the checker makes of it. */
  const then = <T>(result: T, check: (result: T) => void): T => {
    if (isAlive()) check(result);
    return result;
  };
  const { add, remove } = workers;
  Object.assign(workers, {
    add: (...args: Parameters<typeof add>) =>
      then(add.apply(workers, args), () => void checker.model.workers.set(args[0].workerId, args[0])),
    remove: (workerId: string) =>
      then(remove.call(workers, workerId), () => void checker.model.workers.delete(workerId)),
  } satisfies Partial<typeof workers>);
  return Object.assign(core, {
    submit: (...args) => {
      const [specs, , nowMs] = args;
      const verdict = checker.verdict(specs);
      try {
        return then(submit.apply(core, args), ({ tasks, rows }) => {
          if (verdict !== null && checker.isCertain) {
            checker.broken(
              `a submit of ${specs.map(({ taskId }) => taskId).join()} is accepted: it should be ${verdict}`,
            );
          }
          checker.submitted(specs, tasks, rows, nowMs);
        });
      } catch (error) {
        const code = isFault(error) ? error.code : "a defect";
        const isJustified = code === verdict || !checker.isCertain || code === "FILE_UNREADABLE";
        if (isAlive() && !isJustified) {
          checker.broken(
            `a submit of ${specs.map(({ taskId }) => taskId).join()} is ${code}: it should be ${verdict ?? "accepted"}`,
          );
        }
        throw error;
      }
    },
    retry: (again, nowMs) => {
      const verdict = checker.retryVerdict(again);
      const what = `a retry of ${again.map(({ task }) => task.taskId).join()}`;
      try {
        return then(retry.call(core, again, nowMs), ({ made, rows }) => {
          if (verdict !== null && checker.isCertain)
            checker.broken(`${what} is accepted: it should be ${verdict}`);
          checker.retried(again, made, rows, nowMs);
        });
      } catch (error) {
        const code = isFault(error) ? error.code : "a defect";
        if (isAlive() && checker.isCertain && code !== verdict)
          checker.broken(`${what} is ${code}: it should be ${verdict ?? "accepted"}`);
        throw error;
      }
    },
    setQuota: (quota, nowMs) =>
      then(setQuota.call(core, quota, nowMs), (before) => checker.quotaSet(quota, before)),
    removeQuota: (quota) =>
      then(removeQuota.call(core, quota), (before) => checker.quotaRemoved(quota, before)),
    restoreQuotas: (before) => then(restoreQuotas.call(core, before), () => checker.quotasRestored(before)),
    claim: (terms, nowMs) =>
      then(claim.call(core, terms, nowMs), (rows) => checker.claimed(terms, rows, nowMs)),
    settle: (...args) => {
      const [taskId, token, end, nowMs] = args;
      try {
        return then(settle.apply(core, args), (rows) => checker.settled(taskId, token, end, rows, nowMs));
      } catch (error) {
        if (isAlive()) checker.settled(taskId, token, end, null, nowMs);
        throw error;
      }
    },
    cancel: (...args) => then(cancel.apply(core, args), ({ rows }) => checker.cancelled(args[0], rows)),
    reprioritize: (task, priority) =>
      then(reprioritize.call(core, task, priority), (row) =>
        checker.reprioritized(task.taskId, priority, row),
      ),
    renew: (task, leaseUntilMs) =>
      then(renew.call(core, task, leaseUntilMs), () => checker.renewed(task.taskId, leaseUntilMs)),
    forget: (tasks) => then(forget.call(core, tasks), () => checker.forgot(tasks)),
    release: (group) => then(release.call(core, group), (tasks) => checker.held(tasks, false)),
    unrelease: (tasks) => then(unrelease.call(core, tasks), () => checker.held(tasks, true)),
    undo: (rows) => then(undo.call(core, rows), () => checker.undone(rows)),
    place: (placeOf) => then(place.call(core, placeOf), () => checker.placed(placeOf)),
    load: (kept) => {
      const tasks = [...kept.tasks];
      load.call(core, { ...kept, tasks });
      checker.loaded(tasks, kept);
    },
  } satisfies Partial<QueueCore>);
}
