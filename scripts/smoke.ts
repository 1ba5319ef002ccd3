/**
 * What a user gets: the packed package, installed into an empty folder, answers on the command line and embeds into a
 * program. Finds what no test of the sources can: a file missing from the package, a dependency that is only a
 * development one, an import that the build did not rewrite.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const ROOT = new URL("..", import.meta.url).pathname;
const EMBEDDED = new URL("smoke/embedded.ts", import.meta.url).pathname;

/** How npm reaches its registry and its cache, which the machine may have said by environment. */
const NPM_KEPT =
  /^npm_config_(?:registry|cache|userconfig|globalconfig|proxy|https_proxy|noproxy|cafile|offline)$/i;

const folder = mkdtempSync(join(tmpdir(), "mcplusplus-smoke-"));
try {
  const user = join(folder, "user");
  mkdirSync(user);
  writeFileSync(join(user, "package.json"), JSON.stringify({ name: "user", private: true, type: "module" }));

  run(ROOT, "npm", ["pack", "--silent", "--pack-destination", folder]);
  const packed = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  if (packed === undefined) throw new Error("npm pack made no package");
  run(user, "npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", join(folder, packed)]);

  expectWords("the command's help", run(user, "npx", ["--no-install", "mcplusplus", "--help"]), [
    "mcplusplus",
    "run",
    "mcp",
  ]);
  copyFileSync(EMBEDDED, join(user, "embedded.ts"));
  expectWords("the embedding program", run(user, "node", ["embedded.ts"]), ["embedded: done"]);
  await expectCompiledKept(user, join(folder, "cache"));
  process.stdout.write(`${packed} installs, answers, starts and embeds under Node ${process.version}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Runs a program to its end and returns what it wrote; its complaints go to our own standard error. */
function run(cwd: string, program: string, words: readonly string[]): string {
  return execFileSync(program, words, {
    cwd,
    env: cleanEnvironment(),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 180_000,
  });
}

/** Clients kill their servers: what one has compiled is there for the next all the same. */
async function expectCompiledKept(cwd: string, cache: string): Promise<void> {
  const server = spawn(
    "node",
    ["node_modules/mcplusplus/bin/mcplusplus.cjs", "mcp", "--data", join(cwd, "data")],
    {
      cwd,
      env: { ...cleanEnvironment(), XDG_CACHE_HOME: cache },
      stdio: ["pipe", "ignore", "inherit"],
    },
  );
  const ended = once(server, "exit");
  try {
    const filesMin = 50;
    for (let looks = 0; keptIn(cache) < filesMin; looks++) {
      if (looks === 150)
        throw new Error(`a server has kept ${keptIn(cache)} compiled files, which are too few`);
      await pause(100);
    }
  } finally {
    server.kill("SIGKILL");
    await ended;
  }
}

function keptIn(directory: string): number {
  return existsSync(directory) ? readdirSync(directory, { recursive: true }).length : 0;
}

/** What else npm tells its scripts describes this package; the inner npm would apply it to the user's. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) || NPM_KEPT.test(name));
  return Object.fromEntries(kept.filter(([name]) => name !== "INIT_CWD" && name !== "NODE_OPTIONS"));
}

function expectWords(what: string, output: string, words: readonly string[]): void {
  const missing = words.filter((word) => !output.includes(word));
  if (missing.length > 0) throw new Error(`${what} does not say ${missing.join(", ")}; it says:\n${output}`);
}
