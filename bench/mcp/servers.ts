import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { LineClient, type Era } from "./line-client.ts";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The command as it is installed: built. */
const COMMAND = at("./built.mjs");
/** The tools of users are loaded from where they are; only this file of ours needs its types stripped. */
const NOOP = at("./noop.tools.ts");

export interface OurServer {
  readonly client: LineClient;
  close(): Promise<void>;
}

export async function openOurs(more: readonly string[] = ["--tools", NOOP], era?: Era): Promise<OurServer> {
  const data = await mkdtemp(join(tmpdir(), "mcplusplus-mcp-"));
  const client = await LineClient.open([COMMAND, "mcp", "--data", data, ...more], era);
  return {
    client,
    async close() {
      await client.close();
      await rm(data, { recursive: true, force: true });
    },
  };
}

export const openBare = (era?: Era): Promise<LineClient> => LineClient.open([at("./bare.process.ts")], era);

/** Until its threads have started and whatever is compiled at the start is. */
export const settle = (): Promise<void> => pause(5_000);
