import { fault } from "../errors/index.ts";
import { TIMER_MS_MAX } from "../scope/index.ts";
import { onDemand, type ActionServices } from "./actions/action.ts";
import { BUILT_IN } from "./built-in.protocol.ts";
import { defineTasks, handler, type Tasks } from "./define-tasks.ts";
import type { TaskContext } from "./task-context.ts";

/** What the built-in actions do, on one thread. */
export function builtInTasks(services: ActionServices): Tasks {
  return defineTasks({
    echo: handler({ ...BUILT_IN.echo, run: (input) => input }),
    sleep: handler({ ...BUILT_IN.sleep, run: sleep }),
    fail: handler({ ...BUILT_IN.fail, run: fail }),
    read_file: onDemand(BUILT_IN.read_file, () => import("./actions/read-file.ts"), services),
    write_file: onDemand(BUILT_IN.write_file, () => import("./actions/write-file.ts"), services),
    parse: onDemand(BUILT_IN.parse, () => import("./actions/parse.ts"), services),
    transform: onDemand(BUILT_IN.transform, () => import("./actions/transform.ts"), services),
    http_fetch: onDemand(BUILT_IN.http_fetch, () => import("./actions/http-fetch.ts"), services),
  });
}

async function sleep(input: unknown, context: TaskContext): Promise<unknown> {
  const { ms } = fields("sleep", input, { ms: required(isDelay, "a number of milliseconds from 0") });
  await wait(ms as number, context);
  return { slept_ms: ms };
}

function fail(input: unknown, { attempt }: TaskContext): unknown {
  const { message, times } = fields("fail", input, {
    message: optional((value) => typeof value === "string", "a text"),
    times: optional((value) => Number.isInteger(value) && (value as number) >= 0, "a whole number from 0"),
  });
  if (attempt > ((times as number | undefined) ?? Number.POSITIVE_INFINITY)) return { attempt };
  throw new Error((message as string | undefined) ?? "it was asked to");
}

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
