import { transition, type AnyStateMachine, type EventFrom, type StateValueFrom } from "xstate";

import { assert } from "../errors/index.ts";

/** The names of a flat machine's states. */
export type StateOf<M extends AnyStateMachine> = StateValueFrom<M> & string;
/** The names of a machine's events. */
export type EventOf<M extends AnyStateMachine> = EventFrom<M>["type"];

/** A machine as a frozen table: what happens in which state, and nothing else. */
export interface LifecycleTable<State extends string, Event extends string> {
  /** The machine's id, for messages. */
  readonly name: string;
  readonly initial: State;
  readonly states: readonly State[];
  readonly events: readonly Event[];
  /** The state after `event`; undefined when the event means nothing in that state. Two property reads. */
  next(state: State, event: Event): State | undefined;
  /** True when no event leads out of the state. */
  isTerminal(state: State): boolean;
}

/**
 * Walks every state and event of a flat machine once, by the machine's own pure transition function, and keeps the
 * answers: interpreting a machine costs microseconds per transition, the table nanoseconds.
 *
 * The machine must be flat, without context, guards and self-transitions; anything else is a defect at start-up.
 */
export function compile<M extends AnyStateMachine>(machine: M): LifecycleTable<StateOf<M>, EventOf<M>> {
  const states = Object.freeze(Object.keys(machine.states));
  const events: readonly string[] = Object.freeze([...new Set<string>(machine.events)]);
  // Maps, not objects: a lookup cannot find an inherited name.
  const rows = new Map(states.map((state) => [state, rowOf(machine, state, events)]));
  const [initial] = machine.root.initial.target;
  assert(initial, `machine ${machine.id} has an initial state`);
  const table: LifecycleTable<string, string> = {
    name: machine.id,
    initial: initial.key,
    states,
    events,
    next: (state, event) => rows.get(state)?.get(event),
    isTerminal: (state) => rows.get(state)?.size === 0,
  };
  // The machine's types are its own states and events; its values are plain strings.
  return Object.freeze(table) as LifecycleTable<StateOf<M>, EventOf<M>>;
}

function rowOf(
  machine: AnyStateMachine,
  state: string,
  events: readonly string[],
): ReadonlyMap<string, string> {
  const kind = machine.states[state]?.type;
  assert(kind === "atomic" || kind === "final", `state ${state} of machine ${machine.id} is flat`);
  const row = new Map<string, string>();
  const from = machine.resolveState({ value: state, context: {} });
  for (const type of events) {
    if (!from.can({ type })) continue;
    const [{ value: to }] = transition(machine, from, { type }) as [{ value: string }, unknown];
    assert(to !== state, `machine ${machine.id} has no transition from ${state} to itself`);
    row.set(type, to);
  }
  return row;
}

/**
 * The state after `event`, for owners who know that the event is legal now: an illegal one is a defect, and it ends
 * the program's assumption at the spot instead of leaving a wrong state behind.
 */
export function advance<State extends string, Event extends string>(
  table: LifecycleTable<State, Event>,
  state: State,
  event: Event,
): State {
  const next = table.next(state, event);
  assert(next !== undefined, `a ${table.name} that is ${state} cannot ${event}`);
  return next;
}
