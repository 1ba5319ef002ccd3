import { assert } from "../errors/index.ts";

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

/** The names of a table's states. */
export type StateOf<T> = T extends { readonly initial: infer State extends string } ? State : never;

/** For each state, where each event leads. What the machines are compiled to. */
export interface Transitions {
  readonly name: string;
  readonly initial: string;
  readonly events: readonly string[];
  readonly rows: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export function tableOf<const T extends Transitions>(
  transitions: T,
): LifecycleTable<keyof T["rows"] & string, T["events"][number]> {
  const { name, initial } = transitions;
  const events = Object.freeze([...transitions.events]);
  const states = Object.freeze(Object.keys(transitions.rows));
  // Maps, not objects: a look-up cannot find an inherited name.
  const rows = new Map(
    states.map((state) => [state, new Map(Object.entries(transitions.rows[state] ?? {}))]),
  );
  const table: LifecycleTable<string, string> = {
    name,
    initial,
    states,
    events,
    next: (state, event) => rows.get(state)?.get(event),
    isTerminal: (state) => rows.get(state)?.size === 0,
  };
  // The literal's types are its own states and events; its values are plain strings.
  return Object.freeze(table);
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
