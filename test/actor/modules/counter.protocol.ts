import { call, cast, event, init, protocol } from "../../../src/actor/index.ts";

export const Counter = protocol("counter", {
  init: init<{ limit: number }>(),
  add: call<{ by: number }, number>(),
  total: call<void, number>(),
  echo: call<{ value: string; data?: Uint8Array }, { value: string; data?: Uint8Array }>(),
  reset: cast(),
  note: cast<{ text: string }>(),
  notes: call<void, string[]>(),
  wait: call<void, string>(),
  aborted: call<void, string[]>(),
  trace: call<void, string | null>(),
  fail: call<{ how: "fault" | "defect" | "function" }, number>(),
  exit: cast(),
  overflowed: event<{ total: number }>(),
});
