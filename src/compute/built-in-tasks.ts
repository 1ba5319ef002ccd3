import { fault } from "../errors/index.ts";
import { TIMER_MS_MAX } from "../scope/index.ts";
import { defineTasks, handler } from "./define-tasks.ts";
import type { TaskContext } from "./task-context.ts";

/** The actions that are there without any module. */
export const BUILT_IN_TASKS = defineTasks({
  echo: handler({
    isolation: "shared",
    description: "Returns its input.",
    run: (input) => input,
  }),
  sleep: handler({
    isolation: "shared",
    description: "Waits for { ms } milliseconds and returns { slept_ms }. It can be cancelled.",
    async run(input, context) {
      const { ms } = fields("sleep", input, { ms: required(isDelay, "a number of milliseconds from 0") });
      await wait(ms as number, context);
      return { slept_ms: ms };
    },
  }),
  fail: handler({
    isolation: "shared",
    description:
      "Fails with { message }. With { times }, so many attempts fail and the next one returns { attempt }.",
    run(input, { attempt }) {
      const { message, times } = fields("fail", input, {
        message: optional((value) => typeof value === "string", "a text"),
        times: optional(
          (value) => Number.isInteger(value) && (value as number) >= 0,
          "a whole number from 0",
        ),
      });
      if (attempt > ((times as number | undefined) ?? Number.POSITIVE_INFINITY)) return { attempt };
      throw new Error((message as string | undefined) ?? "it was asked to");
    },
  }),
});

async function wait(ms: number, { signal, checkpoint }: TaskContext): Promise<void> {
  let leftMs = ms;
  // In pieces, because timers take no longer delay.
  do {
    checkpoint();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, Math.min(leftMs, TIMER_MS_MAX));
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    clearTimeout(timer);
    leftMs -= TIMER_MS_MAX;
  } while (leftMs > 0);
  checkpoint();
}

// --- the inputs of the built-in handlers: the schema library is not loaded for three small objects ---------------

interface Field {
  readonly required: boolean;
  readonly fits: (value: unknown) => boolean;
  readonly allowed: string;
}

const required = (fits: Field["fits"], allowed: string): Field => ({ required: true, fits, allowed });
const optional = (fits: Field["fits"], allowed: string): Field => ({ required: false, fits, allowed });
const isDelay = (value: unknown): boolean =>
  typeof value === "number" && Number.isFinite(value) && value >= 0;

function fields(
  what: string,
  input: unknown,
  allowed: Readonly<Record<string, Field>>,
): Record<string, unknown> {
  const given = (input ?? {}) as Record<string, unknown>;
  const names = Object.keys(allowed).join(", ");
  if (typeof given !== "object" || Array.isArray(given)) {
    throw fault("INPUT_INVALID", { what, problems: [`it is not an object with ${names}`] });
  }
  const problems = Object.entries(allowed)
    .filter(([name, field]) => (given[name] === undefined ? field.required : !field.fits(given[name])))
    .map(([name, field]) => `${name} is not ${field.allowed}`);
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(allowed, name));
  problems.push(...unknown.map((name) => `${name} is unknown; there are: ${names}`));
  if (problems.length > 0) throw fault("INPUT_INVALID", { what, problems });
  return given;
}
