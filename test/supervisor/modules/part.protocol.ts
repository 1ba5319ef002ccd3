import { call, cast, init, protocol } from "../../../src/actor/index.ts";

/** What is wrong with it. */
export type Trouble =
  | "setup throws"
  | "setup throws a fault"
  | "setup throws again"
  | "setup hangs"
  | "setup hangs again"
  | "setup waits for its end"
  | "setup opens late"
  | "setup opens late again"
  | "cries at its end"
  | "has timers"
  | "setup blocks"
  | "setup exits"
  | "setup asks"
  | "cleanup throws"
  | "cleanup hangs"
  | "cleanup asks"
  | "release throws"
  | "crashes by itself"
  | "has one handler too many"
  | "has one handler too few"
  | "asks a stranger";

export const Part = protocol("part", {
  init: init<{ id: number; journal: Uint8Array; trouble?: Trouble }>(),
  epoch: call<void, number>(),
  /** Raises the id in the very object that it was given as init. */
  touch: call<void, number>(),
  crash: cast(),
  /** Blocks until the journal says "called", and crashes then. */
  crashOnCue: cast(),
  exit: cast<{ code: number }>(),
  block: cast(),
  print: call<{ text: string }>(),
  /** Asks the part of that name for its epoch. */
  ask: call<{ name: string }, number>(),
});
