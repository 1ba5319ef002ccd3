import type { AssignmentEnd, StopCause } from "./assignment.ts";
import type { Crash } from "./crash.ts";
import type { Culprit } from "./shared-state.ts";
import type { Phase } from "./slots.ts";

/**
 * Who pays when a shared thread ends: the one that ended it, and only if that is certain. Whoever merely may have done
 * it is a suspect, and runs again on a thread alone, where it is certain. All others were beside it.
 */
export interface Death {
  readonly crash: Crash;
  /** The crash in words. */
  readonly how: string;
  /** Whom the pool ended it for; null when the pool did not. `closing`: it wanted the end. */
  readonly killedFor: Culprit | "closing" | null;
  /** What the thread itself noted. */
  readonly noted: Culprit;
  /** Whose code had been called and had not returned; null when nobody's. */
  readonly executing: number | null;
  /** For how long it had not. */
  readonly turnMs: number;
}

/** One attempt that was there. */
export interface Present {
  readonly slot: number;
  readonly phase: Phase | "gone";
  /** Why it had been told to stop. */
  readonly stopped: StopCause | null;
}

/** `back`: nothing of it has run, so it waits again as if it had not been given away. */
export type Verdict =
  | { readonly kind: "back" }
  | { readonly kind: "end"; readonly end: AssignmentEnd; readonly suspect: boolean };

/** Memory is used up by whoever is at it, once that has lasted so long; before, it may be anybody's. */
const CERTAIN_TURN_MS = 50;

const COULD: ReadonlySet<Phase | "gone"> = new Set(["loading", "running", "cancelled", "timedOut"]);

/** `closing` and `leftover` stand for nobody who is there. */
export function culpritOf(death: Death, present: readonly Present[]): Culprit | "closing" {
  const { crash, killedFor, noted, executing, turnMs } = death;
  const byMemory = executing !== null && turnMs >= CERTAIN_TURN_MS ? executing : "unknown";
  const culprit = killedFor ?? (crash.kind === "memory" ? byMemory : noted);
  if (culprit !== "unknown") return culprit;
  const able = present.filter(({ phase }) => COULD.has(phase));
  return able.length === 1 ? (able[0]?.slot ?? culprit) : culprit;
}

export function verdictOn(
  { slot, phase, stopped }: Present,
  culprit: Culprit | "closing",
  death: Death,
): Verdict {
  const { crash, how, killedFor } = death;
  const terminated = killedFor !== null;
  if (stopped === "cancelled" || stopped === "closing" || (stopped !== null && phase === "left")) {
    return ended({ kind: "stopped", cause: stopped, terminated: terminated && phase !== "left" });
  }
  if (phase === "assigned") return { kind: "back" };
  if (phase === "ended") return beside(`its thread ended before its outcome was sent: ${how}`);
  if (slot === culprit) {
    if (stopped !== null) return ended({ kind: "stopped", cause: stopped, terminated });
    if (killedFor !== null) return suspect("it computed for too long while others shared its thread");
    return ended({ kind: "crashed", crash, phase: crashPhase(phase), leftover: false, terminated: false });
  }
  if (culprit === "modules" && (phase === "loading" || stopped === "loading")) {
    return killedFor === null
      ? ended({ kind: "crashed", crash, phase: "loading", leftover: false, terminated: false })
      : ended({ kind: "stopped", cause: "loading", terminated });
  }
  if (culprit === "unknown") return suspect(`its shared thread ended, and it may be why: ${how}`);
  // It waited for the modules: its handler has not been called.
  if (phase === "loading") return { kind: "back" };
  return beside(`its shared thread ended beside it: ${how}`);
}

/** What ended the thread while it loaded was not the import, as nobody blamed that. */
const crashPhase = (phase: Phase | "gone"): Phase | "gone" => (phase === "loading" ? "running" : phase);

const ended = (end: AssignmentEnd): Verdict => ({ kind: "end", end, suspect: false });
const beside = (why: string): Verdict => ended({ kind: "interrupted", why });
const suspect = (why: string): Verdict => ({
  kind: "end",
  end: { kind: "interrupted", why: `${why}; next time it has a thread alone` },
  suspect: true,
});
