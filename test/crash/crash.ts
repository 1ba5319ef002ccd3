import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { isFault } from "../../src/errors/index.ts";
import { invalidArgument } from "../../src/schema/index.ts";
import type { Random } from "../../src/scope/index.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import type { CrashLedger } from "./crash-ledger.ts";
import { planRun } from "./planned-run.ts";
import { QueueLedger, type TaskLine } from "./queue-ledger.ts";
import { RunLedger, type RunLine } from "./run-ledger.ts";

/**
 * Kills a process that works with a queue, or with workflows, again and again at random moments, and looks each time
 * whether what it had acknowledged is there.
 *
 *     npm run -s crash -- [--of queue|workflows] [--kills 500] [--seed 1] [--json]
 */

/** Ids of the latest that each life is asked for, beside all that have not ended; the last life is asked for all. */
const RECENT = 300;
const PROGRESS_KILLS = 25;
const SHOWN = 20;

interface Subject<Line> {
  /** What is killed. */
  readonly life: string;
  /** From its readiness to its death: also in the middle of the first commits. */
  readonly lifeMsMax: number;
  readonly stores: readonly string[];
  readonly what: string;
  openLedger(directory: string): CrashLedger<Line>;
  /** What a life has left behind beside what it said. */
  left?(directory: string, lives: ReadonlyMap<number, number>): Line[];
}

const QUEUE: Subject<TaskLine | { say: "sound"; isSound: boolean }> = {
  life: "./queue-life.ts",
  lifeMsMax: 600,
  stores: ["queue.sqlite"],
  what: "tasks",
  openLedger: () => new QueueLedger(),
};

const WORKFLOWS: Subject<RunLine> = {
  life: "./run-life.ts",
  // Six threads start before the first step goes on.
  lifeMsMax: 1_200,
  stores: ["queue.sqlite", "scheduler.sqlite", "cache.sqlite"],
  what: "runs",
  openLedger: (directory) => new RunLedger((runId) => planRun(runId, join(directory, "journal")).end),
  left: (directory, lives) =>
    textOf(join(directory, "journal"))
      .split("\n")
      .flatMap((text) => {
        const line = parse<{ pid: number; taskId: string }>(text);
        const life = line && lives.get(line.pid);
        return line && life !== undefined ? [{ say: "started", taskId: line.taskId, life } as const] : [];
      }),
};

const { values } = parseArgs({
  options: {
    of: { type: "string", default: "queue" },
    kills: { type: "string", default: "500" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});
// A life would else outlive the one who is to kill it.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
try {
  await main();
} catch (error) {
  if (!isFault(error, "INVALID_ARGUMENT")) throw error;
  process.stderr.write(`crash: ${error.message}\n`);
  process.exitCode = 2;
}

async function main(): Promise<void> {
  const kills = wholeNumber("--kills", values.kills, 1);
  const random = seededRandom(wholeNumber("--seed", values.seed, 0));
  if (values.of === "queue") await crash(QUEUE, kills, random);
  else if (values.of === "workflows") await crash(WORKFLOWS, kills, random);
  else throw invalidArgument("--of", `"${values.of}"`, "queue or workflows");
}

async function crash<Line>(subject: Subject<Line | SoundLine>, kills: number, random: Random): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "crash-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  const ledger = subject.openLedger(directory);
  /** By process id. */
  const lives = new Map<number, number>();
  for (let life = 1; life <= kills; life++) {
    await live(subject, ledger, {
      directory,
      lives,
      life,
      killAfterMs: random.next() * subject.lifeMsMax,
      ids: ledger.toAsk(RECENT),
    });
    if (life % PROGRESS_KILLS === 0)
      process.stderr.write(
        `${life} of ${kills} kills, ${ledger.acknowledged} ${subject.what} acknowledged\n`,
      );
  }
  await live(subject, ledger, { directory, lives, life: kills + 1, killAfterMs: null, ids: ledger.all });
  for (const line of subject.left?.(directory, lives) ?? []) ledger.take(line);
  for (const store of subject.stores) ledger.take({ say: "sound", isSound: isSound(join(directory, store)) });

  const { acknowledged, figures, remarks, problems } = ledger;
  const report = { kills, acknowledged, ...figures, ...remarks };
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${describe(report)}\n`);
  for (const problem of problems.slice(0, SHOWN)) process.stderr.write(`${problem}\n`);
  const isWell = Object.values(figures).every((figure) => figure === 0);
  process.exitCode = isWell && acknowledged > 0 ? 0 : 1;
}

interface SoundLine {
  readonly say: "sound";
  readonly isSound: boolean;
}

interface Life {
  readonly directory: string;
  readonly lives: Map<number, number>;
  readonly life: number;
  /** From its readiness; null: it is let live to check everything. */
  readonly killAfterMs: number | null;
  /** What it is asked for. */
  readonly ids: readonly string[];
}

/** Resolves when the process of that life is gone and all that it said has been taken. */
async function live<Line>(
  subject: Subject<Line>,
  ledger: CrashLedger<Line>,
  { directory, lives, life, killAfterMs, ids }: Life,
): Promise<void> {
  const asked = join(directory, "asked.json");
  writeFileSync(asked, JSON.stringify(ids));
  ledger.begin(life);
  const mode = killAfterMs === null ? "check" : "work";
  const script = new URL(subject.life, import.meta.url).pathname;
  const child = spawn(process.execPath, [...process.execArgv, script, directory, String(life), asked, mode], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, MCPLUSPLUS_LOG: "error" },
  });
  if (child.pid !== undefined) lives.set(child.pid, life);
  const end = (): void => void child.kill("SIGKILL");
  process.once("exit", end);
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let left = ids.length;
  const ready = Promise.withResolvers<void>();
  const lines = createInterface({ input: child.stdout });
  const read = (async () => {
    for await (const text of lines) {
      const line = parse<Line & { readonly say: string }>(text);
      if (line === undefined) continue;
      if (line.say === "found") left -= 1;
      if (left === 0) ready.resolve();
      ledger.take(line);
    }
  })();
  await Promise.race([ready.promise, exited]);
  if (killAfterMs !== null) {
    await pause(killAfterMs);
    child.kill("SIGKILL");
  }
  await exited;
  process.removeListener("exit", end);
  await read;
}

/** The last line may be cut off in the middle. */
function parse<Line>(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return undefined;
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function isSound(path: string): boolean {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return db.prepare("PRAGMA integrity_check").get()?.["integrity_check"] === "ok";
  } finally {
    db.close();
  }
}

function describe(figures: Readonly<Record<string, number>>): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name.replaceAll("_", " ")}: ${value}`)
    .join(", ");
}

/** @throws INVALID_ARGUMENT */
function wholeNumber(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (text !== "" && Number.isSafeInteger(value) && value >= least) return value;
  throw invalidArgument(flag, `"${text}"`, `a whole number from ${least}`);
}
