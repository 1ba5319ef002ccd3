import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { link, open, unlink, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import { fault, peek, sentenceOf } from "../../errors/index.ts";
import { createDirectory } from "../../store/create-directory.ts";

/** Larger is no key of any kind that is known. */
const KEY_BYTES_MAX = 4_096;
/** Of all but the owner. */
const OTHERS = 0o077;

/**
 * The identity of this node: read from its file, or made and written there once. A file that is wrong is never replaced:
 * its peer id is how others know this node.
 *
 * @param path absolute; null: a key for this life alone
 * @throws FILE_UNREADABLE when it may be read by others, or is no key; FILE_UNWRITABLE
 */
export async function hostKey(path: string | null): Promise<PrivateKey> {
  if (path === null) return generateKeyPair("Ed25519");
  return (await readKey(path)) ?? (await makeKey(path));
}

async function readKey(path: string): Promise<PrivateKey | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (peek(error, "code") === "ENOENT") return undefined;
    throw fault("FILE_UNREADABLE", { path, why: sentenceOf(error) }, { cause: error });
  }
  try {
    // Of what is open, not of what the name leads to by now.
    const { mode, size } = await file.stat();
    if (process.platform !== "win32" && (mode & OTHERS) !== 0) {
      const has = (mode & 0o777).toString(8);
      const why = `it holds the identity of this node, and others may read it (mode ${has}): chmod 600, or move it away`;
      throw fault("FILE_UNREADABLE", { path, why });
    }
    const key = size > KEY_BYTES_MAX ? undefined : keyIn(await file.readFile());
    if (key === undefined)
      throw fault("FILE_UNREADABLE", {
        path,
        why: "it holds no Ed25519 key of a node; move it away to get a new one",
      });
    return key;
  } finally {
    await file.close();
  }
}

function keyIn(bytes: Uint8Array): PrivateKey | undefined {
  try {
    const key = privateKeyFromProtobuf(bytes);
    return key.type === "Ed25519" ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Whole or not at all, and never over one that another process has made meanwhile. */
async function makeKey(path: string): Promise<PrivateKey> {
  const key = await generateKeyPair("Ed25519");
  const temporary = `${path}.${randomUUID()}`;
  try {
    createDirectory(dirname(path), 0o700);
    await writeWhole(temporary, privateKeyToProtobuf(key));
    // Unlike a rename, this fails when the name is taken.
    await link(temporary, path);
    await syncDirectory(dirname(path));
    return key;
  } catch (error) {
    const other = peek(error, "code") === "EEXIST" ? await readKey(path) : undefined;
    if (other !== undefined) return other;
    throw fault("FILE_UNWRITABLE", { path, why: sentenceOf(error) }, { cause: error });
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
