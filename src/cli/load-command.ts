import { join } from "node:path";
import { LIMITS, fault } from "../errors/index.ts";
import type * as Room from "../load/index.ts";
import type { LoadDocument, LoadPlan, LoadView, Pace } from "../load/index.ts";
import { textOf, textsOf, wholeOf, type Command, type Values } from "./arguments.ts";
import { INTERRUPTED } from "./failure.ts";
import { openInterrupts } from "./interrupts.ts";
import { openOutDirectory } from "./out-directory.ts";
import { writeWhole } from "./whole-file.ts";
import { settings, threadsOf } from "./setting-flags.ts";

export const loadCommand: Command = {
  name: "load",
  operands: "",
  summary: "put load on the queue, say how it bore it, and check that nothing was lost",
  flags: {
    rate: {
      type: "string",
      value: "<n>",
      help: "requests a second (default 500; of a sweep the first step, default 100)",
    },
    duration: {
      type: "string",
      value: "<s>",
      help: "measured seconds (default 10; of each step of a sweep 5)",
    },
    warmup: {
      type: "string",
      value: "<s>",
      help: "seconds before, left out of the figures (default 2; sweep 1)",
    },
    sweep: { type: "boolean", help: "raise the rate until it is not sustained, and find the knee" },
    p99: {
      type: "string",
      value: "<ms>",
      help: "99th percentile that a sustained step may have (default 100)",
    },
    action: { type: "string", value: "<name>", help: "what each task does (default echo)" },
    ...settings("tasks"),
    "payload-bytes": { type: "string", value: "<n>", help: "text in the input of each task (default 100)" },
    outstanding: {
      type: "string",
      value: "<n>",
      help: `requests under way at once; what comes above is counted and not sent (default ${LIMITS.load.outstanding})`,
    },
    data: {
      type: "string",
      value: "<dir>",
      help: "data directory, which keeps the tasks (default: a temporary one)",
    },
    durability: { type: "string", value: "<level>", help: "flushed, committed or memory (default flushed)" },
    ...settings("threads"),
    pace: {
      type: "string",
      value: "<how>",
      help: "timer: up to 1 ms late; spin: punctual, for the price of a core (default timer)",
    },
    out: { type: "string", value: "<dir>", help: "where load.json and load.html go (default out)" },
    json: { type: "boolean", help: "load.json on standard output too, and nothing else" },
  },
  examples: [
    "mcplusplus load",
    "mcplusplus load --rate 2000 --duration 60 --durability committed",
    "mcplusplus load --sweep --p99 50 --json",
  ],
  run,
};

const DEFAULTS = {
  single: { rate: 500, duration: 10, warmup: 2 },
  sweep: { rate: 100, duration: 5, warmup: 1 },
  p99Ms: 100,
  payloadBytes: 100,
};

async function run(_: readonly string[], values: Values): Promise<number> {
  // What goes wrong is counted and told at the end; an operator who wants more sets the level.
  process.env["MCPLUSPLUS_LOG"] ??= "error";
  const plan = planOf(values);
  const target = targetOf(values);
  const pace = choice(values, "pace", ["timer", "spin"] as const);
  const json = values["json"] === true;
  const out = textOf(values, "out") ?? "out";
  openOutDirectory(out, target.data ?? "");
  // The room loads a histogram library that no other command needs.
  const load = await import("../load/index.ts");
  const view = viewFor(json, load);
  const document = await carryOut(load, plan, target, pace, view);
  const files = [join(out, "load.json"), join(out, "load.html")] as const;
  await writeWhole(files[0], `${JSON.stringify(document, null, 1)}\n`);
  await writeWhole(files[1], load.loadPage(document));
  if (json) process.stdout.write(`${JSON.stringify(document)}\n`);
  else
    for (const line of [...load.closingLines(document), ...files.map((file) => `wrote ${file}`)]) say(line);
  if (!document.check.passed) return 1;
  return document.interrupted ? INTERRUPTED : 0;
}

type LoadRoom = typeof Room;

async function carryOut(
  { QueueTarget, documentOf, paceClock, runLoad }: LoadRoom,
  plan: LoadPlan,
  target: ReturnType<typeof targetOf>,
  pace: Pace,
  view: LoadView,
): Promise<LoadDocument> {
  const interrupts = openInterrupts(() =>
    view.note("stopping: what is under way is waited for; once more to leave at once"),
  );
  const startedAt = new Date();
  try {
    const runId = `load-${startedAt.getTime().toString(36)}`;
    const outcome = await runLoad(plan, new QueueTarget({ ...target, runId }), {
      clock: paceClock(pace),
      signal: interrupts.signal,
      onProgress: (progress) => view.progress(progress),
      onStep: (step) => view.step(step),
    });
    return documentOf(plan, outcome, { pace, startedAt });
  } finally {
    view.end();
    interrupts.close();
  }
}

/** Of a terminal that does not say. */
const COLUMNS = 80;

function viewFor(json: boolean, { liveView, plainView, silentView }: LoadRoom): LoadView {
  const { stdout } = process;
  const write = (text: string): void => void stdout.write(text);
  if (json) return silentView;
  return stdout.isTTY ? liveView({ write, columns: () => stdout.columns || COLUMNS }) : plainView(write);
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

// --- what was asked for ---------------------------------------------------------------------------------------------

/** @throws INVALID_ARGUMENT */
function planOf(values: Values): LoadPlan {
  const limits = LIMITS.load;
  const isSweep = values["sweep"] === true;
  const defaults = isSweep ? DEFAULTS.sweep : DEFAULTS.single;
  const ratePerSecond = wholeOf(values, "rate", 1, limits.ratePerSecond) ?? defaults.rate;
  const durationS = wholeOf(values, "duration", 1, limits.durationS) ?? defaults.duration;
  const warmupS = wholeOf(values, "warmup", 0, limits.warmupS) ?? defaults.warmup;
  const p99Ms = wholeOf(values, "p99", 1, limits.p99Ms) ?? DEFAULTS.p99Ms;
  if (!isSweep && textOf(values, "p99") !== undefined) {
    throw fault("INVALID_ARGUMENT", {
      argument: "--p99",
      got: "given without --sweep",
      allowed: "with --sweep",
    });
  }
  const requests = ratePerSecond * (durationS + warmupS);
  if (requests > limits.requests) {
    const got = `${requests} requests in all`;
    const allowed = `at most ${limits.requests}: a lower rate, or less time`;
    throw fault("INVALID_ARGUMENT", { argument: "--rate with --duration and --warmup", got, allowed });
  }
  return {
    ratePerSecond,
    durationMs: durationS * 1_000,
    warmupMs: warmupS * 1_000,
    outstandingMax: wholeOf(values, "outstanding", 1, limits.outstandingMax) ?? limits.outstanding,
    sweep: isSweep ? { p99Ms } : null,
  };
}

/** @throws INVALID_ARGUMENT */
function targetOf(values: Values) {
  const data = textOf(values, "data") ?? null;
  const durability = choice(values, "durability", ["flushed", "committed", "memory"] as const);
  if (durability === "memory" && data !== null) {
    const allowed = "a durability that writes: flushed or committed";
    throw fault("INVALID_ARGUMENT", { argument: "--data", got: "given with --durability memory", allowed });
  }
  return {
    data,
    durability,
    threads: threadsOf(values),
    action: textOf(values, "action") ?? "echo",
    tasks: textsOf(values, "tasks"),
    payloadBytes: wholeOf(values, "payload-bytes", 0, LIMITS.load.payloadBytes) ?? DEFAULTS.payloadBytes,
  };
}

/** The first is the default. */
function choice<const T extends string>(values: Values, name: string, allowed: readonly [T, ...T[]]): T {
  const text = textOf(values, name) ?? allowed[0];
  const found = allowed.find((each) => each === text);
  if (found !== undefined) return found;
  throw fault("INVALID_ARGUMENT", {
    argument: `--${name}`,
    got: `"${text}"`,
    allowed: `one of ${allowed.join(", ")}`,
  });
}
