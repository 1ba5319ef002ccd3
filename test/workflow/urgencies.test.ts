import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { RunBoard } from "../../src/workflow/run-board.ts";
import { RunHandlers } from "../../src/workflow/run-handlers.ts";
import { hasEnded, type Urgency } from "../../src/workflow/run-step.ts";
import { Urgencies } from "../../src/workflow/urgencies.ts";
import type { WorkflowDefinition } from "../../src/workflow/workflow.protocol.ts";
import { dagOf, randomWorkflow } from "./kit/definitions.ts";

function boardOf(definition: WorkflowDefinition): RunBoard {
  const handlers = new RunHandlers({}, undefined);
  return new RunBoard({ definition, dag: dagOf(definition), handlers, submittedAtMs: 0 });
}

/** The most urgent of a step, the run, whoever waits for the run, and all live steps that wait for the step. */
function expectedOf(board: RunBoard, lent: Urgency, at: number): Urgency {
  const { definition, dag } = board;
  const waiting = dag.transitiveDependents(at, (each) => !hasEnded(board.stepAt(each)));
  const wishes = [at, ...waiting].map((each) => board.stepAt(each).definition);
  return {
    priority: Math.max(lent.priority, ...wishes.map(({ priority = definition.priority }) => priority)),
    deadlineMs: Math.min(lent.deadlineMs, ...wishes.map(({ deadlineMs = Infinity }) => deadlineMs)),
  };
}

const wish = fc.option(fc.integer({ min: -5, max: 5 }), { nil: undefined });
const wishes = fc.array(fc.record({ priority: wish, deadlineMs: wish }), { minLength: 12, maxLength: 12 });

describe("the urgency of a step", () => {
  it("is always that of the most urgent among itself and whoever still waits for it", () => {
    const endings = fc.array(
      fc.oneof(fc.nat(11), fc.record({ priority: fc.nat(9), deadlineMs: fc.nat(9) })),
      {
        maxLength: 15,
      },
    );
    fc.assert(
      fc.property(randomWorkflow, wishes, endings, (graph, each, happenings) => {
        const steps = graph.steps.map((step, at) => {
          const { priority, deadlineMs } = each[at] ?? {};
          return {
            ...step,
            ...(priority === undefined ? {} : { priority }),
            ...(deadlineMs === undefined ? {} : { deadlineMs }),
          };
        });
        const board = boardOf({ ...graph, steps });
        const urgencies = new Urgencies(board);
        let lent: Urgency = { priority: -Infinity, deadlineMs: Infinity };
        const check = (): void => {
          for (const step of board.steps) {
            if (!hasEnded(step)) expect(urgencies.of(step)).toEqual(expectedOf(board, lent, step.at));
          }
        };
        check();
        for (const happening of happenings) {
          if (typeof happening !== "number") {
            urgencies.lend((lent = happening));
            check();
            continue;
          }
          const step = board.steps[happening % board.steps.length];
          if (!step || hasEnded(step)) continue;
          board.end(step, "cancel", null);
          urgencies.ended(step);
          const before = new Map(board.steps.map((other) => [other, urgencies.of(other)]));
          for (const changed of urgencies.settle()) expect(before.get(changed)).not.toBe(undefined);
          check();
        }
      }),
      { numRuns: 300 },
    );
  });

  it("is worked out again for those alone that waited for what has ended", () => {
    const chain = Array.from({ length: 2_000 }, (_, at) => ({
      stepId: `s${at}`,
      action: "echo",
      inputs: {},
      dependsOn: at === 0 ? [] : [`s${at - 1}`],
      ...(at === 1_999 ? { priority: 9 } : {}),
    }));
    const board = boardOf({
      workflowId: "w",
      name: "n",
      steps: chain,
      onFailure: "ignore",
      priority: 1,
      tags: [],
      metadata: {},
    });
    const urgencies = new Urgencies(board);
    const last = board.stepAt(1_999);
    board.end(last, "cancel", null);
    urgencies.ended(last);
    expect(urgencies.settle().length).toBe(1_999);
    urgencies.ended(board.stepAt(0));
    expect(urgencies.settle()).toEqual([]);
  });
});
