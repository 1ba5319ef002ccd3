import { mkdirSync, realpathSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { LIMITS, fault, sentenceOf } from "../errors/index.ts";
import type { Quota, TaskOrder } from "../queue/queue.protocol.ts";
import { checkInteger, invalidArgument } from "../schema/index.ts";
import type { SupervisorSetup } from "../supervisor/index.ts";

export interface SystemOptions extends SupervisorSetup {
  /**
   * The directory that holds everything durable; it has one owner at a time. `null` keeps everything in memory.
   * Default: `.mcplusplus` in the working directory.
   */
  readonly data?: string | null;
  /** Modules whose exports made by `defineTasks` are the actions; file URLs or paths. */
  readonly tasks?: readonly (string | URL)[];
  /** What an acknowledgement means on disk; default `flushed`: it was fsynced. Ignored when `data` is null. */
  readonly durability?: "flushed" | "committed";
  /** Handlers that run at once, each on a thread of its own; default: one per core. 1 to 64. */
  readonly threads?: number;
  /**
   * For a look at tasks, or a word about them: takes tasks, answers and changes, and runs nothing itself. That is left
   * to workers outside, and to whoever opens the directory next. Its actors live on the caller's thread, only built-in
   * actions are known to it, and the workflows of the directory are not. Default false.
   */
  readonly idle?: boolean;
  /** Memory of one handler thread in MB; default 1,024. 16 to 65,536. */
  readonly heapMb?: number;
  /** How long a cancelled handler may take to notice before its thread is terminated; default 5,000. */
  readonly graceMs?: number;
  /**
   * Directories, and single files, that `context.path` accepts; they need not exist yet. A handler's relative paths
   * start at the first. Default: the working directory and `data`.
   */
  readonly roots?: readonly string[];
  /** Which of the tasks that could run runs next; default: by priority. */
  readonly order?: TaskOrder;
  /** Bounds and shares that hold from the start; default: none beside those that were set before. */
  readonly quotas?: readonly Quota[];
  /** Ended tasks that are kept; beyond so many the oldest leave. Default 100,000. */
  readonly keptTasks?: number;
  /** How long ended tasks are kept, in milliseconds; default 604,800,000, which is seven days. */
  readonly keptMs?: number;
}

/** The same with every default filled in and every value checked. */
export interface ResolvedOptions {
  readonly supervision: SupervisorSetup;
  readonly data: string | null;
  readonly durability: "flushed" | "committed" | "memory";
  readonly modules: string[];
  readonly threads: number;
  readonly heapMb: number;
  readonly graceMs: number;
  readonly roots: string[];
  readonly idle: boolean;
  readonly order: TaskOrder;
  readonly quotas: Quota[];
  readonly keptTasks: number;
  readonly keptMs: number;
}

/** @throws INVALID_ARGUMENT, FILE_UNWRITABLE (the data directory cannot be made), MODULE_INVALID (it is not there) */
export function resolveOptions(options: SystemOptions = {}): ResolvedOptions {
  const { data: wanted = ".mcplusplus", tasks = [], durability = "flushed", roots, ...rest } = options;
  const {
    threads,
    idle = false,
    heapMb,
    graceMs,
    order,
    quotas = [],
    keptTasks,
    keptMs,
    ...supervision
  } = rest;
  const limits = LIMITS.compute;
  const queue = LIMITS.queue;
  const checked = {
    // It is there for a few answers, and needs nobody who watches over it from another thread.
    supervision: idle ? { supervisor: "host" as const, ...supervision } : supervision,
    idle,
    modules: tasks.map(moduleUrl),
    threads: whole("threads", threads ?? availableParallelism(), 1, limits.threadsMax),
    heapMb: whole("heapMb", heapMb ?? limits.heapMb, limits.heapMbMin, limits.heapMbMax),
    graceMs: whole("graceMs", graceMs ?? limits.graceMs, 0, limits.graceMsMax),
    order: checkedOrder(order ?? { by: "priority" }),
    // What a quota may say is the queue's own rule; it refuses to start with one that breaks it.
    quotas: [...quotas],
    keptTasks: whole("keptTasks", keptTasks ?? queue.keptTasks, 0),
    keptMs: whole("keptMs", keptMs ?? queue.keptMs, 0),
  };
  // Last: a call that is wrong leaves no directory behind.
  const data = wanted === null ? null : makeDirectory(resolve(wanted));
  const allowed = roots ?? [process.cwd(), ...(data === null ? [] : [data])];
  return {
    ...checked,
    // Without a thread there is nobody to load modules.
    ...(idle && { threads: 0, modules: [] }),
    data,
    durability: data === null ? "memory" : durability,
    roots: allowed.map((root) => realPath(resolve(root))),
  };
}

/**
 * Whether a module can be loaded shows on a handler thread only; that it is missing should not take so long to say.
 */
function moduleUrl(module: string | URL): string {
  const url =
    module instanceof URL
      ? module
      : new URL(module.startsWith("file:") ? module : pathToFileURL(resolve(module)));
  if (url.protocol !== "file:") {
    throw fault("INVALID_ARGUMENT", {
      argument: "tasks",
      got: url.href,
      allowed: "files: paths or file URLs",
    });
  }
  const path = fileURLToPath(url);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile()) return url.href;
  throw fault("MODULE_INVALID", { module: path, why: found ? "it is no file" : "there is no such file" });
}

const REASONS: Readonly<Record<string, string>> = {
  EEXIST: "a file is in the way",
  ENOTDIR: "a file is in the way",
  EACCES: "permission is denied",
  EROFS: "its file system is read-only",
};

function makeDirectory(path: string): string {
  try {
    createDirectory(path);
    return realpathSync(path);
  } catch (error) {
    const why = REASONS[(error as NodeJS.ErrnoException).code ?? ""] ?? sentenceOf(error);
    throw fault("FILE_UNWRITABLE", { path, why }, { cause: error });
  }
}

/**
 * With those above it. Node's own way to do so never ends where a directory that exists takes no new entries and says
 * that it is not there, as /proc does.
 */
function createDirectory(path: string): void {
  const exists = (): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (exists()) return;
  if (dirname(path) !== path) createDirectory(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process may have been faster.
    if (!exists()) throw error;
  }
}

/** Links can only hide in what exists: the deepest ancestor that does is made real, the rest is kept. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : join(realPath(above), basename(path));
  }
}

/** What each order can be tuned with: all of them are milliseconds. */
const TUNING: Readonly<Record<TaskOrder["by"], readonly string[]>> = {
  fifo: [],
  priority: ["ageingMs"],
  deadline: [],
  priority_deadline: ["weightMs", "horizonMs"],
};

function checkedOrder(order: TaskOrder): TaskOrder {
  const { by, ...tuning } = order;
  if (!Object.hasOwn(TUNING, by)) {
    throw invalidArgument("order.by", JSON.stringify(by), `one of ${Object.keys(TUNING).join(", ")}`);
  }
  for (const [name, value] of Object.entries<unknown>(tuning)) {
    if (!TUNING[by].includes(name)) {
      const allowed = TUNING[by].length === 0 ? "nothing beside it" : TUNING[by].join(", ");
      throw invalidArgument(`order.${name}`, "unknown", `by ${by}, ${allowed}`);
    }
    if (typeof value === "number" && Number.isFinite(value) && value > 0) continue;
    throw invalidArgument(`order.${name}`, String(value), "a number of milliseconds above 0");
  }
  return order;
}

function whole(argument: string, value: number, min: number, max?: number): number {
  checkInteger(argument, value, min, max);
  return value;
}
