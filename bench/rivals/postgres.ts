import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { chown, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { startServer } from "./server-process.ts";

/** Where Debian keeps its versions; their programs are not in the PATH. */
const DEBIAN = "/usr/lib/postgresql";
const OWNER = "postgres";

const run = promisify(execFile);

export interface PostgresServer {
  /** The directory of its unix socket, which is what a client takes for a host. */
  readonly host: string;
  readonly user: string;
  stop(): Promise<void>;
}

/**
 * A PostgreSQL of the bench's own in a temporary directory, with `fsync` and `synchronous_commit` on. It refuses to
 * run as root, so root starts it as the user whom the Debian package made for it.
 */
export async function startPostgres(): Promise<PostgresServer> {
  const bin = await newestBin();
  const user = process.getuid?.() === 0 ? { uid: await idOf("-u"), gid: await idOf("-g") } : undefined;
  const directory = await mkdtemp(join(tmpdir(), "mcplusplus-postgres-"));
  const data = join(directory, "data");
  const removed = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    if (user) await chown(directory, user.uid, user.gid);
    const encoding = ["--encoding", "UTF8", "--locale", "C"];
    await run(join(bin, "initdb"), ["-D", data, "-U", OWNER, "-A", "trust", ...encoding], {
      cwd: directory,
      ...user,
    });
    const settings = {
      listen_addresses: "",
      unix_socket_directories: directory,
      fsync: "on",
      synchronous_commit: "on",
      full_page_writes: "on",
      max_connections: "300",
      shared_buffers: "512MB",
      max_wal_size: "4GB",
    };
    const server = await startServer({
      command: join(bin, "postgres"),
      args: ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
      ready: () => acceptsConnections(data),
      stopSignal: "SIGINT",
      ...(user && { user }),
    });
    return {
      host: directory,
      user: OWNER,
      async stop() {
        await server.stop();
        await removed();
      },
    };
  } catch (error) {
    await removed();
    throw error;
  }
}

/** It says so in the last line of its lock file, as it does to pg_ctl. */
function acceptsConnections(data: string): boolean {
  const path = join(data, "postmaster.pid");
  return existsSync(path) && /^ready\s*$/m.test(readFileSync(path, "utf8"));
}

async function newestBin(): Promise<string> {
  const versions = existsSync(DEBIAN) ? await readdir(DEBIAN) : [];
  const newest = versions.map(Number).toSorted((a, b) => b - a)[0];
  if (newest !== undefined) return join(DEBIAN, String(newest), "bin");
  const { stdout } = await run("pg_config", ["--bindir"]);
  return stdout.trim();
}

const idOf = async (flag: "-u" | "-g"): Promise<number> => Number((await run("id", [flag, OWNER])).stdout);
