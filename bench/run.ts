import { mkdir, writeFile } from "node:fs/promises";
import { readFlags, type Flags } from "./kit/flags.ts";
import { watchStolenTime } from "./kit/stolen-time.ts";
import { meets, report, table, type Measured } from "./kit/suite.ts";

/** `npm run bench -- <suite> [--json] [--rounds N] …`: measures, prints, and keeps the raw samples in `bench/results/`. */
const SUITES: Readonly<Record<string, () => Promise<{ default: (flags: Flags) => Promise<Measured> }>>> = {
  actor: () => import("./actor/actor.bench.ts"),
  memory: () => import("./memory/memory.bench.ts"),
  micro: () => import("./micro/micro.bench.ts"),
  queue: () => import("./queue/queue.bench.ts"),
};

const { suite: name, flags } = readFlags(process.argv.slice(2));
const load = Object.hasOwn(SUITES, name) ? SUITES[name] : undefined;
if (!load) {
  process.stderr.write(`there is no suite "${name}"; there are: ${Object.keys(SUITES).join(", ")}\n`);
  process.exit(2);
}
// What the suite has started ends with it: an interrupted process would otherwise leave without a word.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
const { default: measure } = await load();
const stolenShare = watchStolenTime();
const measured = await measure(flags);
const printed = report(name, measured, stolenShare());
const directory = new URL("./results/", import.meta.url);
await mkdir(directory, { recursive: true });
await writeFile(new URL(`${name}.json`, directory), JSON.stringify({ ...printed, raw: measured.samples }));
process.stdout.write(`${flags.json ? JSON.stringify(printed) : table(printed)}\n`);
process.exitCode = printed.ratios.every(meets) ? 0 : 1;
