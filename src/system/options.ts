import { realpathSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { EvictionPolicy } from "../cache/cache.protocol.ts";
import { HostRules } from "../compute/host-rules.ts";
import { LIMITS, fault, sentenceOf } from "../errors/index.ts";
import type { Quota, TaskOrder } from "../queue/queue.protocol.ts";
import { checkOrder } from "../queue/task-order.ts";
import { checkInteger } from "../schema/index.ts";
import { createDirectory } from "../store/create-directory.ts";
import type { SupervisorSetup } from "../supervisor/index.ts";
import { planNetwork, type NetworkOptions, type NetworkPlan } from "./network-options.ts";

export interface SystemOptions extends SupervisorSetup {
  /**
   * The directory that holds everything durable; it has one owner at a time. `null` keeps everything in memory.
   * Default: `.mcplusplus` in the working directory.
   */
  readonly data?: string | null;
  /**
   * Shares the directory with other processes that open it so: the first one owns it, the others are its guests, which
   * submit, ask and cancel as if they had it themselves, and when the owner ends, one of them takes its place. What is
   * carried out, and how (`tasks`, `threads`, `roots` and all below), is the owner's word. Default false: no other process
   * is let in.
   *
   * @see docs/guide/attach.md
   */
  readonly attach?: boolean;
  /** Modules whose exports made by `defineTasks` are the actions; file URLs or paths. */
  readonly tasks?: readonly (string | URL)[];
  /** What an acknowledgement means on disk; default `flushed`: it was fsynced. Ignored when `data` is null. */
  readonly durability?: "flushed" | "committed";
  /** Handlers that run at once, each on a thread of its own; default: one per core. 1 to 64. */
  readonly threads?: number;
  /**
   * For a look at tasks and workflows, or a word about them: takes work, answers and changes, and runs nothing itself.
   * That is left to workers outside, and to whoever opens the directory next. Its actors live on the caller's thread, and
   * only built-in actions are known to it. What ended long ago and what is in the cache stays, unless a bound is given.
   * Default false.
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
  /**
   * Hosts that the built-in action `http_fetch` may reach: names (`api.example.com`, `*.example.com`, `*`), addresses and
   * ranges (`10.0.0.0/8`); all but a range may name a port (`localhost:8080`). A name alone does not allow what it leads
   * to on this machine or in its network: that address has to be allowed as well. Default: none.
   */
  readonly allowedHosts?: readonly string[];
  /** Which of the tasks that could run runs next; default: by priority. */
  readonly order?: TaskOrder;
  /** What the result cache may hold, and who makes room in it. */
  readonly cache?: CacheOptions;
  /** Bounds and shares that hold from the start; default: none beside those that were set before. */
  readonly quotas?: readonly Quota[];
  /**
   * Ended tasks that are kept; beyond so many the oldest leave. Likewise, counted apart, the steps of ended runs, which
   * leave run by run, and not within a minute of their end. Default 100,000.
   */
  readonly keptTasks?: number;
  /** How long ended tasks and runs are kept, in milliseconds; default 604,800,000, which is seven days. */
  readonly keptMs?: number;
  /** Turns networking on: peers that carry out tasks, and whose tasks are carried out as far as they are granted. */
  readonly network?: NetworkOptions;
}

export interface CacheOptions {
  /** From 1; default 10,000. */
  readonly entriesMax?: number;
  /** Bytes of all values together; default 268,435,456. */
  readonly sizeBytesMax?: number;
  /**
   * Who makes room when no entry has expired: the least recently used (default), the least frequently used, the oldest,
   * or the soonest to expire.
   */
  readonly policy?: EvictionPolicy;
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
  readonly allowedHosts: string[];
  readonly idle: boolean;
  readonly attach: boolean;
  readonly order: TaskOrder;
  readonly quotas: Quota[];
  readonly cache: Required<CacheOptions>;
  readonly keptTasks: number;
  readonly keptMs: number;
  /** Null: networking is off. */
  readonly network: NetworkPlan | null;
}

/** @throws INVALID_ARGUMENT, FILE_UNWRITABLE (the data directory cannot be made), MODULE_INVALID (it is not there) */
export function resolveOptions(options: SystemOptions = {}): ResolvedOptions {
  const { data: wanted = ".mcplusplus", tasks = [], durability = "flushed", roots, ...rest } = options;
  const {
    threads,
    idle = false,
    attach = false,
    heapMb,
    graceMs,
    allowedHosts = [],
    order = { by: "priority" },
    quotas = [],
    cache = {},
    keptTasks,
    keptMs,
    network,
    ...supervision
  } = rest;
  const limits = LIMITS.compute;
  const queue = LIMITS.queue;
  // The owner of the directory may keep more than is usual: whoever only looks at it makes nothing leave.
  const usual = (bound: number): number => (idle ? Number.MAX_SAFE_INTEGER : bound);
  checkOrder(order);
  const checked = {
    // It is there for a few answers, and needs nobody who watches over it from another thread.
    supervision: idle ? { supervisor: "host" as const, ...supervision } : supervision,
    idle,
    // Windows has no local sockets that only their owner may open: there a directory is not shared.
    attach: attach && process.platform !== "win32",
    modules: tasks.map(moduleUrl),
    threads: whole("threads", threads ?? availableParallelism(), 1, limits.threadsMax),
    heapMb: whole("heapMb", heapMb ?? limits.heapMb, limits.heapMbMin, limits.heapMbMax),
    graceMs: whole("graceMs", graceMs ?? limits.graceMs, 0, limits.graceMsMax),
    allowedHosts: checkedHosts(allowedHosts),
    order,
    // What a quota may say is the queue's own rule; it refuses to start with one that breaks it.
    quotas: [...quotas],
    cache: {
      entriesMax: whole("cache.entriesMax", cache.entriesMax ?? usual(LIMITS.cache.entries), 1),
      sizeBytesMax: whole("cache.sizeBytesMax", cache.sizeBytesMax ?? usual(LIMITS.cache.sizeBytes), 0),
      policy: cache.policy ?? "lru",
    },
    keptTasks: whole("keptTasks", keptTasks ?? usual(queue.keptTasks), 0),
    keptMs: whole("keptMs", keptMs ?? usual(queue.keptMs), 0),
  };
  if (network !== undefined) planNetwork(network, { data: null, threads: 1 });
  // Last: a call that is wrong leaves no directory behind.
  const data = wanted === null ? null : makeDirectory(resolve(wanted));
  const allowed = roots ?? [process.cwd(), ...(data === null ? [] : [data])];
  return {
    ...checked,
    // Without a thread there is nobody to load modules.
    ...(idle && { threads: 0, modules: [] }),
    data,
    network: network === undefined ? null : planNetwork(network, { data, threads: checked.threads }),
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

function checkedHosts(hosts: readonly string[]): string[] {
  checkInteger("the number of allowed hosts", hosts.length, 0, LIMITS.compute.allowedHosts);
  // The handler threads make rules of them again; one that is none is refused here.
  void new HostRules(hosts);
  return [...hosts];
}

const REASONS: Readonly<Record<string, string>> = {
  EEXIST: "a file is in the way",
  ENOTDIR: "a file is in the way",
  EACCES: "permission is denied",
  EROFS: "its file system is read-only",
};

function makeDirectory(path: string): string {
  try {
    createDirectory(path, 0o700);
    return realpathSync(path);
  } catch (error) {
    const why = REASONS[(error as NodeJS.ErrnoException).code ?? ""] ?? sentenceOf(error);
    throw fault("FILE_UNWRITABLE", { path, why }, { cause: error });
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

function whole(argument: string, value: number, min: number, max?: number): number {
  checkInteger(argument, value, min, max);
  return value;
}
