import { transition, type AnyStateMachine } from "xstate";
import { assert } from "../errors/index.ts";
import type { Transitions } from "./table.ts";

/**
 * Walks every state and event of a flat machine once, by the machine's own pure transition function, and keeps the
 * answers: interpreting a machine costs microseconds per transition, the table nanoseconds.
 *
 * The machine must be flat, without context, guards and self-transitions; anything else is a defect at start-up.
 */
export function compile(machine: AnyStateMachine): Transitions {
  const events = [...new Set<string>(machine.events)];
  const rows: Record<string, Record<string, string>> = {};
  for (const state of Object.keys(machine.states)) rows[state] = rowOf(machine, state, events);
  const [initial] = machine.root.initial.target;
  assert(initial, `machine ${machine.id} has an initial state`);
  return { name: machine.id, initial: initial.key, events, rows };
}

function rowOf(machine: AnyStateMachine, state: string, events: readonly string[]): Record<string, string> {
  const kind = machine.states[state]?.type;
  assert(kind === "atomic" || kind === "final", `state ${state} of machine ${machine.id} is flat`);
  const row: Record<string, string> = {};
  const from = machine.resolveState({ value: state, context: {} });
  for (const type of events) {
    if (!from.can({ type })) continue;
    const [{ value: to }] = transition(machine, from, { type }) as [{ value: string }, unknown];
    assert(to !== state, `machine ${machine.id} has no transition from ${state} to itself`);
    row[type] = to;
  }
  return row;
}
