import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import type { Outlet } from "../../../src/remote/remote.protocol.ts";
import type { NetworkOptions, SystemOptions } from "../../../src/system/index.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const PROGRAM = join(import.meta.dirname, "../modules/node.process.ts");
export const MESH_TASKS = join(import.meta.dirname, "../modules/mesh.tasks.ts");

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly code?: string; readonly message: string };
}

/** A node in a process of its own. */
export class MeshNode {
  readonly peerId: string;
  readonly addresses: readonly string[];
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #waiting: Map<number, PromiseWithResolvers<unknown>>;
  #asked = 0;

  constructor(
    child: ChildProcess,
    self: { peerId: string; addresses: readonly string[]; pid: number },
    waiting: Map<number, PromiseWithResolvers<unknown>>,
  ) {
    this.#child = child;
    this.#waiting = waiting;
    this.peerId = self.peerId;
    this.addresses = self.addresses;
    this.pid = self.pid;
  }

  /** Has the node carry out a method of its system; `peers.node` is that of the door to peers. */
  async ask<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    const id = (this.#asked += 1);
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    this.#child.stdin?.write(`${JSON.stringify({ id, do: [method, ...args] })}\n`);
    return (await answer.promise) as T;
  }

  /** As a power cut does it. */
  async kill(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  async close(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.stdin?.end();
    await exited;
  }
}

/** A directory that is gone when the test is over. */
export function meshDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "mesh-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** What handlers of the action `witness` do, whichever node they are on, and when they end. */
export class Witnessed {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Ends when the gate of this name is open. */
  task(name: string): { id: string; action: string; input: object } {
    const [file, gate] = [this.#file, this.#gate(name)];
    return { id: name, action: "witness", input: { name, file, gate } };
  }

  open(name: string): void {
    writeFileSync(this.#gate(name), "");
  }

  /** Such as "first began 4711", in order. */
  get lines(): string[] {
    return existsSync(this.#file) ? readFileSync(this.#file, "utf8").trim().split("\n") : [];
  }

  async until(name: string, what: "began" | "ended" | "stopped", { pid }: MeshNode): Promise<void> {
    const line = `${name} ${what} ${pid}`;
    await until(
      line,
      async () => this.lines,
      (lines) => lines.includes(line),
    );
  }

  get #file(): string {
    return join(this.#directory, "witnessed");
  }

  #gate(name: string): string {
    return join(this.#directory, `gate-${name}`);
  }
}

export interface NodeSetup extends Omit<SystemOptions, "network"> {
  readonly network?: NetworkOptions;
  /** A command before it, such as `ip netns exec a`. */
  readonly within?: readonly string[];
}

/** Starts a node; it is killed when the test is over. @throws what it said when it could not be opened */
export async function startNode({ within = [], ...options }: NodeSetup): Promise<MeshNode> {
  const command = [
    ...within,
    ...[
      process.execPath,
      "--conditions=mcplusplus-source",
      PROGRAM,
      JSON.stringify({ network: {}, ...options }),
    ],
  ];
  const [program = "", ...args] = command;
  const child = spawn(program, args, { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await exited;
  });
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const ready = Promise.withResolvers<{ peerId: string; addresses: string[]; pid: number }>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    const said = JSON.parse(line) as Answer & { peerId: string; addresses: string[]; pid: number };
    if (said.id === undefined) return ready.resolve(said);
    const answer = waiting.get(said.id);
    waiting.delete(said.id);
    if (said.error) answer?.reject(Object.assign(new Error(said.error.message), { code: said.error.code }));
    else answer?.resolve(said.value);
  });
  void exited.then(() => {
    const gone = new Error(`node ${child.pid} has ended`);
    ready.reject(gone);
    for (const answer of waiting.values()) answer.reject(gone);
  });
  for (const answer of [ready]) answer.promise.catch(() => undefined);
  return new MeshNode(child, await ready.promise, waiting);
}

/**
 * Lets `worker` carry out actions for `asker`, connects the two, and waits until tasks may go there.
 *
 * @param address where the asker reaches the worker; default: the first that the worker has told
 */
export async function engage(
  asker: MeshNode,
  worker: MeshNode,
  actions: readonly string[],
  address = worker.addresses[0],
): Promise<void> {
  const { token } = await worker.ask<{ token: string }>("peers.allow", asker.peerId, {
    actions,
    concurrency: 64,
    perMinute: 1_000_000,
  });
  await asker.ask("peers.use", token);
  await asker.ask("peers.connect", worker.peerId, address);
  await until(
    "the way to the worker",
    () => asker.ask<Outlet[]>("peers.outlets"),
    (outlets) => outlets.some(({ peerId, held }) => peerId === worker.peerId && held === null),
  );
}

/** Asks until the answer is what was waited for, at most `seconds`. */
export async function until<T>(
  what: string,
  ask: () => Promise<T>,
  isIt: (answer: T) => boolean,
  seconds = 15,
): Promise<T> {
  const endMs = Date.now() + seconds * 1_000;
  for (;;) {
    const answer = await ask();
    if (isIt(answer)) return answer;
    if (Date.now() > endMs)
      throw new Error(`${what} was not seen in ${seconds} s: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
