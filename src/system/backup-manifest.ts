import { createHash } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fault, sentenceOf } from "../errors/index.ts";
import { canonicalJson } from "../schema/index.ts";
import { check, z } from "../schema/zod-schema.ts";
import { STORE_NAMES, type StoreName } from "./store-names.ts";

/** The format of a backup: what stands where, and what the manifest says of it. */
const FORMAT = "mcplusplus.backup";
const VERSION = 1;
const MANIFEST = "manifest.json";

export interface BackupFile {
  /** Within the backup, with slashes. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface Manifest {
  readonly package: string;
  /** ISO-8601, UTC: when the backup began. */
  readonly createdAt: string;
  /** The format of each store's file: how many of its migrations it has been through. */
  readonly stores: { readonly [Name in StoreName]?: number };
  readonly files: readonly BackupFile[];
}

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** Only what a backup may hold: a manifest from elsewhere names no other place of this machine. */
const path = z
  .string()
  .regex(/^(?:scheduler\.sqlite|queue\.sqlite|cache\.sqlite|blobs\/[0-9a-f]{2}\/[0-9a-f]{62})$/);
const shape = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  package: z.string(),
  createdAt: z.iso.datetime(),
  stores: z.partialRecord(z.enum(STORE_NAMES), z.int().min(0)),
  files: z.array(z.strictObject({ path, sizeBytes: z.int().min(0), sha256 })),
  checksum: sha256,
});

/** Flushed like every other file of a backup. */
export async function writeManifest(directory: string, manifest: Manifest): Promise<void> {
  const body = { format: FORMAT, version: VERSION, ...manifest };
  await using file = await open(join(directory, MANIFEST), "wx", 0o600);
  await file.writeFile(`${JSON.stringify({ ...body, checksum: checksumOf(body) }, null, 1)}\n`);
  await file.sync();
}

/**
 * @param supported the formats of stores that this version reads
 * @throws BACKUP_INVALID when there is none, or it is damaged; STORE_NEWER
 */
export async function readManifest(
  directory: string,
  supported: { readonly [Name in StoreName]: number },
): Promise<Manifest> {
  const invalid = (why: string, cause?: unknown): Error =>
    fault("BACKUP_INVALID", { path: directory, why }, { cause });
  let text: string;
  try {
    text = await readFile(join(directory, MANIFEST), "utf8");
  } catch (error) {
    throw invalid(`its ${MANIFEST} cannot be read: ${sentenceOf(error)}`, error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`its ${MANIFEST} is damaged: ${sentenceOf(error)}`, error);
  }
  // Before its shape is checked: that of a newer version may be another.
  const { format, version } = (value ?? {}) as { format?: unknown; version?: unknown };
  if (format === FORMAT && typeof version === "number" && version > VERSION) {
    throw fault("STORE_NEWER", { path: join(directory, MANIFEST), version, supported: VERSION });
  }
  const checked = check(shape, value, MANIFEST);
  if (checked.problems) throw invalid(`its ${MANIFEST} is damaged: ${checked.problems[0]}`);
  const { checksum, ...body } = checked.value;
  if (checksum !== checksumOf(body)) throw invalid(`its ${MANIFEST} is damaged: its checksum is another`);
  const { stores, files } = body;
  for (const name of STORE_NAMES) {
    const found = stores[name] ?? 0;
    if (found > supported[name]) {
      throw fault("STORE_NEWER", { path: join(directory, name), version: found, supported: supported[name] });
    }
  }
  if (new Set(files.map((file) => file.path)).size < files.length) {
    throw invalid(`its ${MANIFEST} is damaged: it names a file twice`);
  }
  return { package: body.package, createdAt: body.createdAt, stores, files };
}

const checksumOf = (body: object): string => createHash("sha256").update(canonicalJson(body)).digest("hex");
