import { mkdir, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { meets, report, table, type Measured } from "./kit/suite.ts";

/** `npm run bench -- <suite> [--json]`: measures, prints, and keeps the raw samples in `bench/results/`. */
const SUITES: Readonly<Record<string, () => Promise<{ default: () => Promise<Measured> }>>> = {
  actor: () => import("./actor/actor.bench.ts"),
  micro: () => import("./micro/micro.bench.ts"),
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false } },
});
const [name = ""] = positionals;
const load = Object.hasOwn(SUITES, name) ? SUITES[name] : undefined;
if (!load) {
  process.stderr.write(`there is no suite "${name}"; there are: ${Object.keys(SUITES).join(", ")}\n`);
  process.exit(2);
}
const { default: measure } = await load();
const measured = await measure();
const printed = report(name, measured);
const directory = new URL("./results/", import.meta.url);
await mkdir(directory, { recursive: true });
await writeFile(new URL(`${name}.json`, directory), JSON.stringify({ ...printed, raw: measured.samples }));
process.stdout.write(`${values.json ? JSON.stringify(printed) : table(printed)}\n`);
process.exitCode = printed.ratios.every(meets) ? 0 : 1;
