import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load } from "./rival.ts";
import { startServer } from "./server-process.ts";

interface RedisClient {
  config(command: "GET", name: string): Promise<string[]>;
  info(section: string): Promise<string>;
  quit(): Promise<unknown>;
}
interface IoRedis {
  readonly Redis: new (options: { path: string }) => RedisClient;
}

export interface RedisServer {
  readonly socket: string;
  readonly version: string;
  /** Flushes of the append-only file so far. */
  fsyncs(): Promise<number>;
  stop(): Promise<void>;
}

/**
 * A redis-server that acknowledges nothing before it is on disk: `appendfsync always`, which is verified. It listens
 * on a unix socket, its fastest way in, and never rewrites its file.
 */
export async function startRedis(): Promise<RedisServer> {
  const { Redis } = await load<IoRedis>("ioredis");
  const directory = await mkdtemp(join(tmpdir(), "mcplusplus-redis-"));
  const socket = join(directory, "socket");
  const removed = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    const server = await startServer({
      command: "redis-server",
      args: [
        ...["--port", "0", "--unixsocket", socket, "--dir", directory, "--save", ""],
        ...["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"],
      ],
      ready: () => existsSync(socket),
      stopSignal: "SIGTERM",
    });
    const client = new Redis({ path: socket });
    const stop = async (): Promise<void> => {
      await client.quit();
      await server.stop();
      await removed();
    };
    try {
      await verified(client, "appendonly", "yes");
      await verified(client, "appendfsync", "always");
      const version = field(await client.info("server"), "redis_version");
      return { socket, version, stop, fsyncs: () => countFsyncs(client, server.pid) };
    } catch (error) {
      await stop();
      throw error;
    }
  } catch (error) {
    await removed();
    throw error;
  }
}

async function verified(client: RedisClient, name: string, wanted: string): Promise<void> {
  const [, got] = await client.config("GET", name);
  if (got !== wanted) throw new Error(`redis has ${name} ${got}, not ${wanted}`);
}

function field(info: string, name: string): string {
  const found = new RegExp(`^${name}:(.*)$`, "m").exec(info)?.[1];
  if (found === undefined) throw new Error(`redis does not tell its ${name}`);
  return found.trim();
}

/**
 * Redis does not count its flushes. With `always`, each turn of its loop that changed something writes the file once
 * and flushes it once, and every other write of the process is an answer to a client, which INFO does count; so the
 * difference is the number of flushes. (`strace -c -e fdatasync` over one run: 1,340; so computed: 1,319 and the few
 * of clearing up between.)
 */
async function countFsyncs(client: RedisClient, pid: number): Promise<number> {
  const answers = Number(field(await client.info("stats"), "total_writes_processed"));
  const writes = /^syscw: (\d+)$/m.exec(await readFile(`/proc/${pid}/io`, "utf8"))?.[1];
  return Number(writes) - answers;
}
