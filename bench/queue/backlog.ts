import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fault } from "mcplusplus";
import { openChild, type Child } from "../kit/child.ts";
import { MEASURED_FLAGS, type Memory } from "../kit/memory.ts";
import { median, result, type Measured } from "../kit/suite.ts";
import { inTurns, type Figures } from "../kit/turns.ts";
import type { Claims } from "./backlog.process.ts";

const CLAIMS = 640;
const PER_CLAIM = 64;
const REOPENS = 5;
const MB = 2 ** 20;
/** What timers and the disk still had to do after the last submit is done by then. */
const QUIET_MS = 5_000;

const openQueue = (directory: string): Child =>
  openChild(new URL("./backlog.process.ts", import.meta.url), {
    args: [directory],
    flags: MEASURED_FLAGS,
    built: true,
  });

/**
 * The measurement takes tasks from the long queue in each round, the warm-up included, and means little once half of
 * them are gone.
 *
 * @throws INVALID_ARGUMENT
 */
export function checkWaiting(rounds: number, waiting: number): void {
  const least = 2 * (rounds + 1) * 2 * CLAIMS;
  if (waiting >= least) return;
  const allowed = `from ${least}, with --rounds ${rounds}: half of them must be left at the end`;
  throw fault("INVALID_ARGUMENT", { argument: "--waiting", got: String(waiting), allowed });
}

/**
 * What a long queue costs: claims from it and from a short one in turns, each in a process of its own; its memory;
 * and how long a new process takes to open it and hand out a task.
 */
export async function measureBacklog(rounds: number, waiting: number): Promise<Omit<Measured, "durability">> {
  const root = await mkdtemp(join(tmpdir(), "mcplusplus-backlog-"));
  await warmUp(join(root, "first"));
  const [shortData, longData] = [join(root, "short"), join(root, "long")];
  const [short, long] = [openQueue(shortData), openQueue(longData)];
  try {
    await Promise.all([short.ask("open"), long.ask("open")]);
    const sinceMs = performance.now();
    await long.ask("fill", waiting);
    const fillPerSecond = (waiting / (performance.now() - sinceMs)) * 1_000;
    await pause(QUIET_MS);
    const unsettled = await long.ask<number>("residentBytes");
    const { residentBytes: settled } = await long.ask<Memory>("settledMemory");
    const { residentBytes: rested } = await long.ask<Memory>("restedMemory");

    const turns = await inTurns(rounds, [
      () => claimsOf(short, "claim_empty", CLAIMS),
      () => claimsOf(long, "claim_backlog", 0),
    ]);
    const stillWaiting = await long.ask<number>("queued");
    if (stillWaiting < waiting / 2)
      throw new Error(`only ${stillWaiting} of ${waiting} tasks were still waiting`);
    await long.ask("close");
    await Promise.all([short.kill(), long.kill()]);
    const { closed, killed } = await reopened(longData);

    const samples = {
      ...turns,
      backlog_fill: [fillPerSecond],
      backlog_resident: [settled / MB],
      backlog_resident_before_collection: [unsettled / MB],
      backlog_resident_at_rest: [rested / MB],
      backlog_reopen_to_first_claim: closed,
      backlog_reopen_to_first_claim_after_kill: killed,
    };
    return {
      samples,
      results: Object.entries(samples).map(([name, values]) => result(name, unitOf(name), values)),
      ratios: [
        { name: "claim_backlog_vs_empty", value: ratioOf(turns, "claim_backlog", "claim_empty"), atMost: 2 },
        {
          name: `claim_${PER_CLAIM}_backlog_vs_empty`,
          value: ratioOf(turns, `claim_backlog_${PER_CLAIM}`, `claim_empty_${PER_CLAIM}`),
        },
        { name: "backlog_resident_mb", value: settled / MB, atMost: 600 },
        { name: "backlog_reopen_to_first_claim_ms", value: median(closed), atMost: 2_000 },
      ],
    };
  } finally {
    await Promise.all([short.kill(), long.kill()]);
    await rm(root, { recursive: true, force: true });
  }
}

/** Fills the cache of compiled code, so that all that follow start alike. */
async function warmUp(data: string): Promise<void> {
  const child = openQueue(data);
  await child.ask("open");
  await claimsOf(child, "warm_up", CLAIMS);
  await child.ask("close");
  await child.end();
}

const ratioOf = (turns: Readonly<Record<string, readonly number[]>>, above: string, below: string): number =>
  median(turns[above] ?? []) / median(turns[below] ?? []);

function unitOf(name: string): string {
  if (name.startsWith("claim")) return "us";
  if (name.includes("resident")) return "MB";
  return name.includes("reopen") ? "ms" : "per second";
}

/** Medians of claims of one task, and of many, where the flush to disk weighs little. */
async function claimsOf(child: Child, name: string, fill: number): Promise<Figures> {
  const [ones, manys]: [Claims, Claims] = [
    { count: CLAIMS, max: 1 },
    { count: CLAIMS / PER_CLAIM, max: PER_CLAIM },
  ];
  await child.ask("fill", fill);
  const one = median(await child.ask<number[]>("claims", ones));
  await child.ask("fill", fill);
  const many = median(await child.ask<number[]>("claims", manys));
  return { [name]: one, [`${name}_${PER_CLAIM}`]: many };
}

/** A new process each time. The last but one leaves by `kill -9`, so that the last finds what a crash leaves. */
async function reopened(data: string): Promise<{ closed: number[]; killed: number[] }> {
  const times: number[] = [];
  for (let open = 0; open <= REOPENS; open++) {
    const child = openQueue(data);
    try {
      times.push(await child.ask<number>("openToFirstClaim"));
      if (open < REOPENS - 1) await child.ask("close");
    } finally {
      await child.kill();
    }
  }
  return { closed: times.slice(0, REOPENS), killed: times.slice(REOPENS) };
}
