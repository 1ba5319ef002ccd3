import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where `npm ci` puts other people's programs. */
const PACKAGES = join(import.meta.dirname, "packages", "node_modules");
const OUTPUT_CHARS_MAX = 1_000_000;

/** A file of one of the packages that are kept apart from ours. */
export const installed = (path: string): string => join(PACKAGES, path);

export interface Ended {
  /** Null: it took too long, and was killed. */
  readonly code: number | null;
  /** What it printed, on either stream. */
  readonly output: string;
}

/** Runs a program of others. It has a home of its own, which is gone when it has ended, and sees nothing of our environment. */
export async function runToEnd(program: string, args: readonly string[], timeoutMs: number): Promise<Ended> {
  const home = await mkdtemp(join(tmpdir(), "outside-home-"));
  try {
    const { PATH } = process.env;
    const env = { PATH, HOME: home, XDG_CONFIG_HOME: join(home, "config"), NO_COLOR: "1" };
    const child = spawn(process.execPath, [program, ...args], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        if (output.length < OUTPUT_CHARS_MAX) output += text;
      });
    const [code] = (await once(child, "close")) as [number | null];
    return { code, output };
  } finally {
    await rm(home, { recursive: true });
  }
}
