import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A STUN server of two addresses that somebody else has written. */
export interface CoturnPlace {
  readonly addresses: readonly [string, string];
  readonly port: number;
  readonly otherPort: number;
}

/** As it stands in the title of a test that is skipped; null: it is here. */
export function coturnMissing(): string | null {
  try {
    execFileSync("sh", ["-c", "command -v turnserver"], { stdio: "ignore" });
    return null;
  } catch {
    return "needs turnserver, of the Debian package coturn";
  }
}

const GOODBYE_MS = 2_000;

/** STUN alone, without relaying, control and encryption. */
export function coturnArguments({ addresses, port, otherPort }: CoturnPlace, directory: string): string[] {
  const places = [
    "-L",
    addresses[0],
    "-L",
    addresses[1],
    "-p",
    `${port}`,
    "--alt-listening-port",
    `${otherPort}`,
  ];
  const files = [
    "--log-file",
    "stdout",
    "--simple-log",
    "--pidfile",
    join(directory, "pid"),
    "-b",
    join(directory, "db"),
  ];
  return ["-n", "-S", "--no-cli", "--no-tls", "--no-dtls", "--no-tcp", ...places, ...files];
}

/** A directory for its files, which `using` removes. */
export function coturnDirectory(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), "coturn-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A server of this test, on loopback. */
export class Coturn implements AsyncDisposable {
  readonly #child: ChildProcess;

  constructor(place: CoturnPlace, directory: string) {
    this.#child = spawn("turnserver", coturnArguments(place, directory), { stdio: "ignore" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), GOODBYE_MS);
    await ended;
    clearTimeout(late);
  }
}
