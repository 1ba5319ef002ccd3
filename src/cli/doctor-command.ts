import { statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { isCancellation } from "../errors/index.ts";
import type { Command, Values } from "./arguments.ts";
import { ownConfigPath } from "./config-file.ts";
import { sizeText } from "./data-command.ts";
import { oneLine, sentenceFor } from "./failure.ts";
import { openInterrupts } from "./interrupts.ts";
import { SERVER_FLAGS } from "./server-options.ts";
import { ERAS, probeServer } from "./server-probe.ts";
import { counted } from "./table.ts";
import { SETTING_FLAGS, dataOf, serverData } from "./setting-flags.ts";

/** What one check found. `warning`: it works, and something is worth knowing. */
interface Finding {
  readonly check: string;
  readonly state: "ok" | "warning" | "failed";
  readonly found: string;
}

type Check = (
  values: Values,
  sources: ReadonlyMap<string, string>,
  signal: AbortSignal,
) => Promise<Finding[]>;

/** A disk that takes longer to flush makes every acknowledgement slow. */
const SLOW_FLUSH_MS = 20;
const LITTLE_ROOM_BYTES = 2 ** 30;

const ok = (check: string, found: string): Finding => ({ check, state: "ok", found });
const warning = (check: string, found: string): Finding => ({ check, state: "warning", found });
const failed = (check: string, found: string): Finding => ({ check, state: "failed", found });

export const doctorCommand: Command = {
  name: "doctor",
  operands: "",
  summary: "check this machine, the data directory, and the server as its client would see it",
  flags: { ...SETTING_FLAGS, json: { type: "boolean", help: "one line of JSON, and nothing else" } },
  examples: ["mcplusplus doctor", "mcplusplus doctor --tasks ./my.tasks.ts --json"],
  async run(_, values, sources) {
    const json = values["json"] === true;
    const interrupts = openInterrupts((note) => json || process.stderr.write(`${note}\n`));
    const all: Finding[] = [];
    try {
      for (const check of CHECKS) {
        for (const finding of await outcome(check, values, sources, interrupts.signal)) {
          all.push(finding);
          if (!json) process.stdout.write(`${lineOf(finding)}\n`);
        }
      }
    } finally {
      interrupts.close();
    }
    const healthy = all.every(({ state }) => state !== "failed");
    if (json) process.stdout.write(`${JSON.stringify({ success: healthy, findings: all })}\n`);
    else process.stdout.write(`\n${healthy ? "Everything works." : "Something does not work: see above."}\n`);
    return healthy ? 0 : 1;
  },
};

const MARKS = { ok: "ok     ", warning: "warning", failed: "FAILED " } as const;

const lineOf = ({ check, state, found }: Finding): string => `${MARKS[state]}  ${check}: ${oneLine(found)}`;

/** A check that could not be made is a finding like any other. */
async function outcome(
  { name, check }: (typeof CHECKS)[number],
  values: Values,
  sources: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<Finding[]> {
  try {
    signal.throwIfAborted();
    return await check(values, sources, signal);
  } catch (error) {
    if (signal.aborted || isCancellation(error)) throw signal.reason;
    return [failed(name, sentenceFor(error))];
  }
}

const checkMachine: Check = async () => {
  const cores = availableParallelism();
  return [
    ok(
      "node",
      `${process.versions.node}, SQLite ${process.versions["sqlite"]}, ${process.platform} ${process.arch}`,
    ),
    cores > 1
      ? ok("threads", `${cores} cores`)
      : warning("threads", "1 core: handlers and actors take turns, so everything is slower"),
  ];
};

const checkConfiguration: Check = async (_, sources) => {
  const file = sources.get("config") ?? `none (looked for ${ownConfigPath(process.env)})`;
  const set = [...sources].filter(([name]) => name !== "config");
  return [ok("configuration", `file: ${file}; ${counted(set.length, "setting")} given`)];
};

/** The directory that was named, or else those that commands and servers use by themselves. */
const checkData: Check = async (values) => {
  const asked = values["data"] === undefined ? [dataOf(values), serverData()] : [dataOf(values)];
  const there = asked.filter((data) => statSync(data, { throwIfNoEntry: false })?.isDirectory());
  if (there.length === 0)
    return [ok("data", `nothing yet: there is no directory ${asked.join(", and no ")}`)];
  return (await Promise.all(there.map(checkDirectory))).flat();
};

async function checkDirectory(data: string): Promise<Finding[]> {
  const system = await import("../system/index.ts");
  const { flushMs, flushMsMax, freeBytes } = system.measureDisk(data);
  const speed = `a flush takes ${flushMs.toFixed(2)} ms (longest of 32: ${flushMsMax.toFixed(2)} ms), ${sizeText(freeBytes)} free`;
  const isFine = flushMs < SLOW_FLUSH_MS && freeBytes > LITTLE_ROOM_BYTES;
  return [
    ok("data", resolve(data)),
    isFine ? ok("disk", speed) : warning("disk", `${speed}: what is acknowledged waits for the disk`),
    ...system.checkData(data).map(({ name, sizeBytes, isOwned, findings }) => {
      const what = `${name}, ${sizeText(sizeBytes)}`;
      if (isOwned) return ok("store", `${what}: in use by a process, which has looked through it`);
      return findings.length === 0
        ? ok("store", `${what}: whole`)
        : failed("store", `${what}: ${findings.join("; ")}`);
    }),
  ];
}

/** In a directory of its own: the user's tasks are not to begin for the sake of a check. */
const checkServer: Check = async (values, _, signal) => {
  const directory = await mkdtemp(join(tmpdir(), "mcplusplus-doctor-"));
  try {
    const findings: Finding[] = [];
    for (const era of ERAS) {
      const probe = await probeServer(serverOf(values, join(directory, "data")), era, signal);
      const { firstAnswerMs, firstCallMs, tools, exitCode } = probe;
      const found = `${firstAnswerMs.toFixed(0)} ms to the first answer, ${counted(tools, "tool")}, ${firstCallMs.toFixed(0)} ms for the first call`;
      const name = `server ${era}`;
      findings.push(exitCode === 0 ? ok(name, found) : failed(name, `${found}; it ended with ${exitCode}`));
    }
    return findings;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};

const CHECKS: readonly { readonly name: string; readonly check: Check }[] = [
  { name: "machine", check: checkMachine },
  { name: "configuration", check: checkConfiguration },
  { name: "data", check: checkData },
  { name: "server", check: checkServer },
];

/** As a client starts it, with what was given on this command line; the rest it finds where this command found it. */
function serverOf(values: Values, data: string): string[] {
  const [, main = ""] = process.argv;
  const flags = Object.keys(SERVER_FLAGS).flatMap((name) => {
    if (name === "data") return [];
    const value = values[name];
    if (value === undefined || value === false) return [];
    if (value === true) return [`--${name}`];
    return [value].flat().map((each) => `--${name}=${String(each)}`);
  });
  return [process.execPath, ...process.execArgv, main, "mcp", `--data=${data}`, ...flags];
}
