import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";

const START_MS = 30_000;
const POLL_MS = 20;

export interface ServerProcess {
  readonly pid: number;
  /** Resolves when the process is gone. */
  stop(): Promise<void>;
}

export interface ServerStart {
  readonly command: string;
  readonly args: readonly string[];
  /** Does it answer? */
  readonly ready: () => boolean;
  readonly stopSignal: NodeJS.Signals;
  /** Whose rights it gets; absent = ours. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

/** Starts a server of the bench's own, which ends with the bench. Rejects when it does not come up. */
export async function startServer({
  command,
  args,
  ready,
  stopSignal,
  user,
}: ServerStart): Promise<ServerProcess> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...user });
  const ended = new Promise<string>((resolve) => {
    child.once("error", ({ message }) => resolve(message));
    child.once("exit", (code, signal) => resolve(`it ended with ${signal ?? code}`));
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (text: Buffer) => {
      said = (said + text.toString()).slice(-500);
    });
  const onExit = (): void => void child.kill("SIGKILL");
  process.once("exit", onExit);

  let end: string | null = null;
  void ended.then((how) => (end = how));
  const untilMs = performance.now() + START_MS;
  while (!ready()) {
    await pause(POLL_MS);
    if (end === null && performance.now() > untilMs) {
      child.kill("SIGKILL");
      end = `it was not ready within ${START_MS} ms`;
    }
    if (end !== null) throw new Error(`${command}: ${end}; ${said.trim()}`);
  }
  return {
    pid: child.pid ?? 0,
    async stop() {
      process.off("exit", onExit);
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(stopSignal);
      await once(child, "exit");
    },
  };
}
