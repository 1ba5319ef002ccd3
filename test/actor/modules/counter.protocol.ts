import { call, cast, event, init, protocol } from "../../../src/actor/index.ts";

export const Counter = protocol("counter", {
  /** `gate` is shared memory of two words: see `hold`. */
  init: init<{ limit: number; gate?: Uint8Array }>(),
  add: call<{ by: number }, number>(),
  total: call<void, number>(),
  echo: call<{ value: string; data?: Uint8Array }, { value: string; data?: Uint8Array }>(),
  /** A reply of so many bytes. */
  bytes: call<{ count: number }, Uint8Array>(),
  reset: cast(),
  note: cast<{ text: string }>(),
  notes: call<void, string[]>(),
  /** Ends when its signal aborts. */
  wait: call<void, string>(),
  /** How the calls of `wait` ended. */
  aborted: call<void, string[]>(),
  /** Ends when `size` callers have met: all learn the order in which they came. */
  meet: call<{ name: string; size: number }, string[]>(),
  trace: call<void, string | null>(),
  who: call<void, string>(),
  epoch: call<void, number>(),
  fail: call<{ how: "fault" | "defect" | "function" | "late" }, number>(),
  /** A cast handler that throws. */
  explode: cast<{ how: "fault" | "defect" }>(),
  exit: cast<{ code: number }>(),
  /** Sets the gate's second word, and blocks its thread until the first is set. */
  hold: cast(),
  emit: cast<{ count: number }>(),
  tick: event(),
  overflowed: event<{ total: number }>(),
});
