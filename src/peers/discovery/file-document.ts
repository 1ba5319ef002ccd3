import { LIMITS } from "../../errors/index.ts";
import type { Announcement } from "./discovery-source.ts";
import { isObject, isTold, readTold, tellingOf, type ToldPeer } from "./peer-document.ts";

/**
 * The content of the file in which nodes tell each other of peers: `{ peers: { <peer id>: entry }, last_cleanup }`, with times
 * in seconds since 1970. Pure: it is read and written elsewhere.
 */
export interface FileDocument {
  readonly entries: ReadonlyMap<string, FileEntry>;
  /** Entries that are not in order, and are left out when the file is written next. */
  readonly junk: number;
}

export interface FileEntry {
  readonly told: ToldPeer;
  /** As it stands in the file, with what other programs have put there. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** One entry of a peer has no reason to be larger: a record in base64, and a few texts. */
const ENTRY_CHARS = 16_384;
const S = 1_000;

/** @returns undefined for what is no such document; an empty text is one without entries */
export function readDocument(text: string): FileDocument | undefined {
  if (text.trim() === "") return { entries: new Map(), junk: 0 };
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(document) || !isObject(document["peers"])) return undefined;
  const entries = new Map<string, FileEntry>();
  let junk = 0;
  for (const [name, raw] of Object.entries(document["peers"])) {
    const told = isObject(raw) ? entryIn(raw) : undefined;
    if (isObject(raw) && told?.peerId === name) entries.set(name, { told, raw });
    else junk += 1;
  }
  return { entries, junk };
}

function entryIn(raw: Readonly<Record<string, unknown>>): ToldPeer | undefined {
  if (!isSmall(raw)) return undefined;
  const { last_seen: lastSeen, ttl_seconds: ttlS } = raw;
  return readTold(raw, { lastSeenMs: typeof lastSeen === "number" ? lastSeen * S : NaN, ttlS });
}

function isSmall(raw: object): boolean {
  try {
    return JSON.stringify(raw).length <= ENTRY_CHARS;
  } catch {
    // Nested too deep to be written again.
    return false;
  }
}

/** The document with this node's entry, without those that are told no more. */
export function withOwn({ entries }: FileDocument, own: Announcement, wallMs: number): FileDocument {
  const { record } = own;
  const { ttlS, record: sealed, ...told } = tellingOf(own);
  const firstSeen = entries.get(record.peerId)?.raw["first_seen"];
  const raw = {
    ...told,
    capabilities: [...record.capabilities],
    first_seen: typeof firstSeen === "number" ? firstSeen : wallMs / S,
    last_seen: record.issuedAtMs / S,
    source: "local_file",
    ttl_seconds: ttlS,
    metadata: { record: sealed },
  };
  const kept = new Map(withoutExpired(entries, wallMs));
  const entry = entryIn(raw);
  if (entry !== undefined) kept.set(record.peerId, { told: entry, raw });
  return { entries: kept, junk: 0 };
}

export function without({ entries }: FileDocument, peerId: string): FileDocument {
  return { entries: new Map([...entries].filter(([each]) => each !== peerId)), junk: 0 };
}

/** How many were dropped is the difference in size. */
export const withoutExpired = (entries: FileDocument["entries"], wallMs: number): FileDocument["entries"] =>
  new Map([...entries].filter(([, { told }]) => isTold(told, wallMs)));

/** The text of the file, within its limit: those last seen longest ago are left out first. */
export function writeDocument(
  { entries }: Pick<FileDocument, "entries">,
  wallMs: number,
  bytesMax: number = LIMITS.discovery.fileBytes,
): string {
  const newestFirst = [...entries].toSorted(
    ([, one], [, other]) => other.told.lastSeenMs - one.told.lastSeenMs,
  );
  const head = '{"peers":{';
  const tail = `},"last_cleanup":${wallMs / S}}\n`;
  let leftBytes = bytesMax - Buffer.byteLength(head) - Buffer.byteLength(tail);
  const lines: string[] = [];
  for (const [peerId, { raw }] of newestFirst) {
    const line = `\n${JSON.stringify(peerId)}:${JSON.stringify(raw)}`;
    leftBytes -= Buffer.byteLength(line) + 1;
    if (leftBytes < 0) break;
    lines.push(line);
  }
  return head + lines.join(",") + tail;
}
