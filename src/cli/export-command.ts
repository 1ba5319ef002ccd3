import { once } from "node:events";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fault, isFault, sentenceOf } from "../errors/index.ts";
import { TASK_STATES } from "../queue/queue.protocol.ts";
import { exportData } from "../system/index.ts";
import { RUN_STATES } from "../workflow/workflow.protocol.ts";
import { textOf, type Values } from "./arguments.ts";
import { dataCommand } from "./data-command.ts";
import { outputIsLost } from "./output.ts";
import { counted } from "./table.ts";
import { dataOf } from "./setting-flags.ts";

const STDOUT = "-";

export const exportCommand = dataCommand({
  name: "export",
  operands: "",
  summary: "write tasks and runs as lines of JSON",
  flags: {
    out: { type: "string", value: "<file>", help: "where the lines go; - is standard output" },
    tasks: {
      type: "string",
      value: "<states>",
      help: `only tasks in these states, or none (default all): ${TASK_STATES.join(",")}`,
    },
    runs: {
      type: "string",
      value: "<states>",
      help: `only runs in these states, or none (default all): ${RUN_STATES.join(",")}`,
    },
  },
  examples: [
    "mcplusplus export --out tasks.ndjson",
    "mcplusplus export --out - --tasks failed --runs none | jq .error",
    "mcplusplus export --out waiting.ndjson --tasks queued --runs none",
  ],
  writesOut: (values) => textOf(values, "out") === STDOUT,
  async act(_, values, { signal, progress }) {
    const out = textOf(values, "out");
    if (out === undefined) {
      throw fault("INVALID_ARGUMENT", {
        argument: "--out",
        got: "missing",
        allowed: "a file, or - for standard output",
      });
    }
    if (out === STDOUT && values["json"] === true) {
      const allowed = "--out <file> with it: standard output belongs to the lines";
      throw fault("INVALID_ARGUMENT", { argument: "--json", got: "given with --out -", allowed });
    }
    const states = {
      tasks: statesOf(values, "tasks", TASK_STATES),
      runs: statesOf(values, "runs", RUN_STATES),
    };
    const write = (take: (line: string) => Promise<void> | void) =>
      exportData({
        ...states,
        data: dataOf(values),
        write: take,
        signal,
        onProgress: ({ tasks, runs }) =>
          progress(`wrote ${counted(tasks, "task")} and ${counted(runs, "run")}`),
      });
    const made = await (out === STDOUT ? write(toStdout).catch(unlessOutputIsLost) : toFile(out, write));
    if (made === null) return { answer: {}, lines: [] };
    const { tasks, runs, blobs, blobsLeftOut } = made;
    return {
      answer: { path: out === STDOUT ? null : out, tasks, runs, blobs, blobs_left_out: blobsLeftOut },
      lines: [
        `exported ${counted(tasks, "task")}, ${counted(runs, "run")} and ${counted(blobs, "large value")}`,
        ...(blobsLeftOut === 0 ? [] : [`${counted(blobsLeftOut, "large value")} could not be taken along`]),
        ...(out === STDOUT ? [] : [`wrote ${out}`]),
      ],
    };
  },
});

/** Null = all. @throws INVALID_ARGUMENT */
function statesOf<S extends string>(values: Values, flag: string, known: readonly S[]): S[] | null {
  const text = textOf(values, flag);
  if (text === undefined || text === "all") return null;
  if (text === "none") return [];
  return text.split(",").map((name) => {
    const state = known.find((each) => each === name.trim());
    if (state !== undefined) return state;
    throw fault("INVALID_ARGUMENT", {
      argument: `--${flag}`,
      got: `"${text}"`,
      allowed: `all, none, or some of ${known.join(",")}`,
    });
  });
}

async function toStdout(line: string): Promise<void> {
  if (outputIsLost()) throw fault("CANCELLED", { what: "the export", reason: "nobody takes it" });
  if (!process.stdout.write(line)) await once(process.stdout, "drain");
}

/** The rest is for nobody; why it could not be written has been told. */
function unlessOutputIsLost(error: unknown): null {
  if (outputIsLost()) return null;
  throw error;
}

/** Lines are joined until there are so many bytes. */
const CHUNK_CHARS = 262_144;

/** The file has its name when all of it is on disk; one that had it before stays until then. */
async function toFile<T>(
  path: string,
  fill: (take: (line: string) => Promise<void> | void) => Promise<T>,
): Promise<T> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    await using file = await open(temporary, "w", 0o600);
    let pending = "";
    const made = await fill(async (line) => {
      pending += line;
      if (pending.length < CHUNK_CHARS) return;
      const text = pending;
      pending = "";
      await file.writeFile(text);
    });
    await file.writeFile(pending);
    await file.sync();
    await rename(temporary, path);
    return made;
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    if (isFault(error) || !(error instanceof Error && "code" in error)) throw error;
    throw fault("FILE_UNWRITABLE", { path, why: sentenceOf(error) }, { cause: error });
  }
}
