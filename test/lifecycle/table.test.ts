import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createActor, createMachine, setup, transition, type AnyStateMachine } from "xstate";

import {
  advance,
  bootstrapTable,
  childTable,
  compensationTable,
  runTable,
  stepTable,
  taskTable,
} from "../../src/lifecycle/index.ts";
import {
  bootstrapMachine,
  childMachine,
  compensationMachine,
  compile,
  runMachine,
  stepMachine,
  taskMachine,
} from "../../src/lifecycle/machines.ts";
import type { LifecycleTable } from "../../src/lifecycle/table.ts";

type AnyTable = LifecycleTable<string, string>;

const lifecycles: readonly (readonly [string, AnyStateMachine, AnyTable])[] = [
  ["task", taskMachine, taskTable],
  ["run", runMachine, runTable],
  ["step", stepMachine, stepTable],
  ["compensation", compensationMachine, compensationTable],
  ["child", childMachine, childTable],
  ["bootstrap", bootstrapMachine, bootstrapTable],
];

describe.each(lifecycles)("the %s lifecycle", (_name, machine, table) => {
  it("has a table that equals the machine for every state and event", () => {
    for (const state of table.states) {
      for (const type of table.events) {
        const from = machine.resolveState({ value: state, context: {} });
        const [after] = transition(machine, from, { type });
        expect(table.next(state, type) ?? state, `${state} + ${type}`).toBe(after.value);
        expect(table.next(state, type) !== undefined, `${state} + ${type}`).toBe(from.can({ type }));
      }
    }
  });

  it("walks the same way as an interpreted machine under any sequence of events", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...table.events), { maxLength: 30 }), (events) => {
        const interpreted = createActor(machine).start();
        let state = table.initial;
        for (const type of events) {
          // A machine that has ended takes no events, and says so on the console.
          if (interpreted.getSnapshot().status === "active") interpreted.send({ type });
          state = table.next(state, type) ?? state;
          expect(state).toBe(interpreted.getSnapshot().value);
        }
        interpreted.stop();
      }),
      { numRuns: 200 },
    );
  });

  it("starts where the machine starts and reaches every state", () => {
    expect(table.initial).toBe(createActor(machine).getSnapshot().value);
    const reached = new Set([table.initial]);
    for (const state of reached) {
      for (const event of table.events) {
        const next = table.next(state, event);
        if (next !== undefined) reached.add(next);
      }
    }
    expect([...reached].toSorted()).toEqual([...table.states].toSorted());
  });

  it("has no way out of a terminal state, and is drawn with an end in no other", () => {
    const terminal = table.states.filter((state) => table.isTerminal(state));
    expect(terminal).toEqual(table.states.filter((state) => machine.states[state]?.type === "final"));
    for (const state of terminal) {
      expect(table.events.map((event) => table.next(state, event))).toEqual(
        table.events.map(() => undefined),
      );
    }
  });

  it("knows no inherited names and cannot be changed", () => {
    expect(table.next("constructor", "start")).toBeUndefined();
    expect(table.next(table.initial, "toString")).toBeUndefined();
    expect(table.isTerminal("constructor")).toBe(false);
    expect(Object.isFrozen(table) && Object.isFrozen(table.states) && Object.isFrozen(table.events)).toBe(
      true,
    );
  });
});

const ends: readonly (readonly [string, AnyTable, string[]])[] = [
  ["task", taskTable, ["completed", "failed", "cancelled"]],
  ["run", runTable, ["completed", "failed", "cancelled"]],
  ["step", stepTable, ["completed", "failed", "skipped", "cancelled"]],
  ["compensation", compensationTable, ["completed", "failed", "skipped"]],
  ["child", childTable, ["given_up"]],
  // A node looks for peers for as long as it lives.
  ["bootstrap", bootstrapTable, []],
];

it.each(ends)(
  "a %s ends in the states that the contract names, and in no other",
  (_name, table, expected) => {
    expect(table.states.filter((state) => table.isTerminal(state))).toEqual(expected);
  },
);

describe("advance", () => {
  it("gives the next state of a legal event", () => {
    expect(advance(taskTable, "queued", "start")).toBe("running");
    expect(advance(runTable, "cancelling", "stop")).toBe("cancelled");
  });

  it("ends an illegal event as a defect that names the thing, its state and the event", () => {
    expect(() => advance(taskTable, "completed", "start")).toThrow(
      "defect: a task that is completed cannot start",
    );
    expect(() => advance(stepTable, "pending", "complete")).toThrow(
      "defect: a step that is pending cannot complete",
    );
  });
});

describe("compile", () => {
  it("refuses a nested machine", () => {
    const nested = createMachine({
      id: "nested",
      initial: "a",
      states: { a: { initial: "b", states: { b: {} } } },
    });
    expect(() => compile(nested)).toThrow("state a of machine nested is flat");
  });

  it("refuses a transition from a state to itself, which a table cannot tell from no transition", () => {
    const looping = setup({ types: { events: {} as { type: "spin" } } }).createMachine({
      id: "looping",
      initial: "a",
      states: { a: { on: { spin: "a" } } },
    });
    expect(() => compile(looping)).toThrow("machine looping has no transition from a to itself");
  });

  it("refuses a machine without states", () => {
    expect(() => compile(createMachine({ id: "empty" }))).toThrow("machine empty has an initial state");
  });
});
