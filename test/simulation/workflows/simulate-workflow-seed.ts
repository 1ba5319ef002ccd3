import { isFault } from "../../../src/errors/index.ts";
import { toDefinition } from "../../../src/system/workflow-run.ts";
import type { RunStatus } from "../../../src/workflow/workflow.protocol.ts";
import { planRun } from "../../crash/planned-run.ts";
import { seenRun } from "../../crash/run-ledger.ts";
import { catchDefects, textOf, type SeedResult } from "../simulate-seed.ts";
import { total, zeros, type Counts } from "../tally.ts";
import { JOURNAL, WorkflowWorld, type WorkflowWorldOptions } from "./workflow-world.ts";

export const RUNS_MIN = 12;
export const FAULTS_MIN = 5;
/** After so much calm every run that was accepted has ended. */
const CALM_ROUNDS = 60;
const CALM_MS = 5_000;

const COMMANDS = ["submit", "status", "pause", "resume"] as const;
const FAULTS = [
  "scheduler_dies",
  "queue_dies",
  "cache_dies",
  "power_cut",
  "queue_disk_full",
  "queue_disk_error",
  "scheduler_disk_full",
  "scheduler_disk_error",
  "clock_forward",
  "clock_back",
  "handler_dies",
] as const;
type Command = (typeof COMMANDS)[number];
type FaultKind = (typeof FAULTS)[number];
const ENDS = ["skip_dependents", "ignore", "fail_fast"].flatMap((policy) => [
  `${policy}-completed`,
  ...(policy === "ignore" ? [] : [`${policy}-failed`]),
]);

export const emptyCounts = (): Counts => ({
  commands: zeros(COMMANDS),
  faults: zeros(FAULTS),
  statePairs: zeros(ENDS),
});

/** A life of the workflow engine under commands and faults that one number decides; every end is checked. */
export async function simulateWorkflowSeed(options: WorkflowWorldOptions): Promise<SeedResult> {
  const { seed, history = false } = options;
  const counts = emptyCounts();
  const count = (of: Record<string, number>, name: string): void => void (of[name] = (of[name] ?? 0) + 1);
  const world = await WorkflowWorld.open(options, () => count(counts.faults, "handler_dies"));
  const story = new Story(world, (command) => count(counts.commands, command));
  const broken: string[] = [];
  const defects = catchDefects((error) => broken.push(textOf(error)));
  try {
    while (story.isWell && (story.submitted < RUNS_MIN || total(counts.faults) < FAULTS_MIN)) {
      story.command();
      if (world.random.next() < 0.2) {
        const kind = FAULTS[world.below(FAULTS.length - 1)] ?? "power_cut";
        await strike(world, kind);
        count(counts.faults, kind);
      }
      await world.turns.run(world.below(60));
      if (world.random.next() < 0.4) await world.turns.pass(world.below(400));
    }
    await story.comeToRest();
    // What was seen last must be there after the power has failed once more.
    await strike(world, "power_cut");
    await story.lookAtAll();
  } catch (error) {
    broken.push(textOf(error));
  }
  const violations = [...broken, ...world.ledger.problems];
  if (Object.values(world.disks).some(({ ghosts }) => ghosts > 0))
    violations.push("a life that was over wanted to write");
  const lines = violations.length > 0 || history ? world.lines : [];
  for (const end of story.ends) count(counts.statePairs, end);
  const traceHash = await world.close();
  defects.restore();
  return { seed, violations, lines, counts, traceHash };
}

/** What callers do, and see. */
class Story {
  submitted = 0;
  readonly #world: WorkflowWorld;
  readonly #onCommand: (command: Command) => void;
  readonly #policies = new Map<string, string>();
  readonly #states = new Map<string, string>();

  constructor(world: WorkflowWorld, onCommand: (command: Command) => void) {
    this.#world = world;
    this.#onCommand = onCommand;
  }

  get isWell(): boolean {
    return this.#world.ledger.problems.length === 0;
  }

  /** By policy, how runs ended. */
  get ends(): string[] {
    return [...this.#states].map(([runId, state]) => `${this.#policies.get(runId)}-${state}`);
  }

  command(): void {
    const { random } = this.#world;
    const chance = random.next();
    const runId = [...this.#policies.keys()][this.#world.below(this.#policies.size)];
    if (runId === undefined || chance < 0.4) this.#submit();
    else if (chance < 0.8) void this.#ask("status", runId);
    else if (chance < 0.9) void this.#ask("pause", runId);
    else void this.#ask("resume", runId);
  }

  #submit(): void {
    const { random, scheduler, ledger } = this.#world;
    const runId = `${this.submitted++}-${Math.floor(random.next() * 1e6)}`;
    const { workflow } = planRun(runId, JOURNAL);
    this.#onCommand("submit");
    this.#policies.set(runId, workflow.onFailure ?? "");
    const definition = toDefinition(workflow);
    scheduler.call.submit({ definition }).then(
      () => {
        this.#world.note(`${runId} is accepted`);
        ledger.take({ say: "accepted", runId });
      },
      (error: unknown) => this.#refused(runId, error),
    );
  }

  async #ask(command: Exclude<Command, "submit">, workflowId: string): Promise<void> {
    const { call } = this.#world.scheduler;
    this.#onCommand(command);
    try {
      if (command === "status") this.#see(await call.status({ workflowId }));
      else if (command === "pause") this.#see(await call.pause({ workflowId, reason: "by chance" }));
      else this.#see(await call.resume({ workflowId }));
    } catch (error) {
      this.#refused(workflowId, error);
    }
  }

  #see(status: RunStatus): void {
    const run = seenRun(status);
    this.#world.note(`${run.runId} is seen ${JSON.stringify(run)}`);
    this.#world.moment();
    this.#world.ledger.take({ say: "seen", run });
    this.#states.set(run.runId, run.state);
  }

  #refused(runId: string, error: unknown): void {
    if (!isFault(error)) throw error;
    this.#world.note(`${runId}: ${error.message}`);
  }

  /** The weather clears, and everything that was accepted must come to its end. */
  async comeToRest(): Promise<void> {
    const { turns, weather, disks, ledger } = this.#world;
    weather.calm = true;
    for (const disk of Object.values(disks)) disk.mend();
    for (let round = 0; round < CALM_ROUNDS && ledger.toAsk(0).length > 0 && this.isWell; round++) {
      await turns.pass(CALM_MS);
      for (const runId of ledger.toAsk(0)) await turns.until(this.#ask("resume", runId));
      await turns.pass(CALM_MS);
      for (const runId of ledger.toAsk(0)) await turns.until(this.#ask("status", runId));
    }
    const open = ledger.toAsk(0).map((runId) => `${runId} (${this.#states.get(runId)})`);
    if (open.length > 0) throw new Error(`never come to their end: ${open.join(", ")}`);
  }

  async lookAtAll(): Promise<void> {
    const { turns, ledger, scheduler } = this.#world;
    for (const runId of ledger.all) {
      const found = scheduler.call.status({ workflowId: runId }).then(seenRun, (error: unknown) => {
        if (isFault(error, "WORKFLOW_NOT_FOUND")) return null;
        throw error;
      });
      ledger.take({ say: "found", runId, run: await turns.until(found) });
    }
  }
}

async function strike(world: WorkflowWorld, kind: FaultKind): Promise<void> {
  const { supervisor, turns, disks, clock } = world;
  world.note(`! ${kind}`);
  if (kind === "power_cut") {
    const killed = ["scheduler", "queue", "cache"].map((name) => supervisor.kill(name));
    for (const disk of Object.values(disks)) disk.cutPower();
    await turns.until(Promise.all(killed));
    await turns.until(world.scheduler.ready());
  } else if (kind.endsWith("_dies")) await turns.until(supervisor.kill(kind.slice(0, -"_dies".length)));
  else if (kind === "clock_forward") clock.wallOffsetMs += world.below(3_000);
  else if (kind === "clock_back") clock.wallOffsetMs -= world.below(20_000);
  else {
    const disk = kind.startsWith("queue") ? disks.queue : disks.scheduler;
    if (kind.endsWith("full")) disk.fill(1 + world.below(3));
    else disk.fail(1 + world.below(2));
  }
}
