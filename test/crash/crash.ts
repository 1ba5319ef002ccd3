import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { DatabaseSync } from "node:sqlite";
import { seededRandom } from "../kit/seeded-random.ts";
import { Ledger, type Line } from "./ledger.ts";

/**
 * Kills a process that works with a queue, again and again, at random moments, and looks each time whether what it had
 * acknowledged is there.
 *
 *     npm run -s crash -- [--kills 500] [--seed 1] [--json]
 */

/** Ids of the latest tasks that each life is asked for, beside all that have not ended; the last life is asked for all. */
const RECENT = 300;
/** From the opening of the queue to its death: also in the middle of the first commits. */
const LIFE_MS_MAX = 600;

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "500" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});
const kills = Number(values.kills);
assert(
  Number.isSafeInteger(kills) && kills >= 1,
  `--kills is ${values.kills}; allowed is a whole number from 1`,
);
const random = seededRandom(Number(values.seed));
const directory = mkdtempSync(join(tmpdir(), "crash-"));
const asked = join(directory, "asked.json");
const ledger = new Ledger();
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

for (let life = 1; life <= kills; life++) {
  await live(life, "work", ledger.toAsk(RECENT));
  if (life % 25 === 0)
    process.stderr.write(`${life} of ${kills} kills, ${ledger.acknowledged} tasks acknowledged\n`);
}
await live(kills + 1, "check", ledger.all);
ledger.take({ say: "sound", isSound: isSound(join(directory, "queue.sqlite")) });

const { acknowledged, lost, doubleCompleted, unreadable } = ledger;
const report = {
  kills,
  acknowledged,
  lost: lost.length,
  double_completed: doubleCompleted.length,
  unreadable,
};
process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${describe(report)}\n`);
for (const taskId of lost.slice(0, 10)) process.stderr.write(`lost: ${taskId}\n`);
for (const taskId of doubleCompleted.slice(0, 10)) process.stderr.write(`ended twice: ${taskId}\n`);
process.exitCode = lost.length + doubleCompleted.length + unreadable === 0 && acknowledged > 0 ? 0 : 1;

/** Resolves when the process of that life is gone and all that it said has been taken. */
async function live(life: number, mode: "work" | "check", ids: readonly string[]): Promise<void> {
  writeFileSync(asked, JSON.stringify(ids));
  const child = spawn(
    process.execPath,
    [
      ...process.execArgv,
      new URL("./life.ts", import.meta.url).pathname,
      directory,
      String(life),
      asked,
      mode,
    ],
    { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, MCPLUSPLUS_LOG: "error" } },
  );
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let left = ids.length;
  const ready = Promise.withResolvers<void>();
  const lines = createInterface({ input: child.stdout });
  const read = (async () => {
    for await (const text of lines) {
      const line = parse(text);
      if (line === undefined) continue;
      if (line.say === "found") left -= 1;
      if (left === 0) ready.resolve();
      ledger.take(line);
    }
  })();
  await Promise.race([ready.promise, exited]);
  if (mode === "work") {
    await pause(random.next() * LIFE_MS_MAX);
    child.kill("SIGKILL");
  }
  await exited;
  await read;
}

/** The last line may be cut off in the middle. */
function parse(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return undefined;
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

function describe(figures: typeof report): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name.replace("_", " ")}: ${value}`)
    .join(", ");
}
