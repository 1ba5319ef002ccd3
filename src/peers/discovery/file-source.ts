import { fault, isCancellation, isFault, sentenceOf } from "../../errors/index.ts";
import type { Clock } from "../../scope/index.ts";
import type { Announcement, Count, DiscoverySource, Finding, PeerSearch } from "./discovery-source.ts";
import {
  readDocument,
  withOwn,
  without,
  withoutExpired,
  writeDocument,
  type FileDocument,
} from "./file-document.ts";
import { findingIn } from "./peer-document.ts";
import { SharedFile } from "./shared-file.ts";

/** A file in which the nodes of one machine, or of one file system, tell of themselves. */
export class FileSource implements DiscoverySource {
  readonly name = "local_file";
  readonly #path: string;
  readonly #file: SharedFile;
  readonly #clock: Clock;
  readonly #count: Count;

  /** @param path absolute */
  constructor(path: string, { clock, count }: { readonly clock: Clock; readonly count: Count }) {
    this.#path = path;
    this.#file = new SharedFile(path, clock);
    this.#clock = clock;
    this.#count = count;
  }

  async announce(own: Announcement, signal: AbortSignal): Promise<void> {
    await this.#change((document) => withOwn(document, own, this.#clock.wallNow()), signal);
  }

  async withdraw(peerId: string, signal: AbortSignal): Promise<void> {
    await this.#change(
      (document) => (document.entries.has(peerId) ? without(document, peerId) : null),
      signal,
    );
  }

  async *find(_search: PeerSearch, signal: AbortSignal): AsyncIterable<Finding> {
    const document = await this.#guarded(async () => this.#document(await this.#file.read()));
    this.#count("file_junk", document.junk);
    const wallMs = this.#clock.wallNow();
    for (const { told } of document.entries.values()) {
      if (signal.aborted) return;
      const finding = findingIn(told, this.name, wallMs);
      if (finding !== undefined) yield finding;
    }
  }

  async sweep(signal: AbortSignal): Promise<number> {
    let removed = 0;
    await this.#change((document) => {
      const entries = withoutExpired(document.entries, this.#clock.wallNow());
      removed = document.entries.size - entries.size;
      return removed === 0 ? null : { entries, junk: 0 };
    }, signal);
    await this.#guarded(() => this.#file.tidy());
    return removed;
  }

  async #change(change: (document: FileDocument) => FileDocument | null, signal: AbortSignal): Promise<void> {
    await this.#guarded(() =>
      this.#file.replace((text) => {
        const changed = change(this.#document(text));
        return changed === null ? null : writeDocument(changed, this.#clock.wallNow());
      }, signal),
    );
  }

  /** Anything else that stands there is somebody's: it is neither read as peers nor written over. */
  #document(text: string): FileDocument {
    const document = readDocument(text);
    if (document === undefined) throw new Error("it is no document of peers");
    return document;
  }

  async #guarded<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (isFault(error) || isCancellation(error)) throw error;
      throw fault("DISCOVERY_FAILED", { source: this.#path, why: sentenceOf(error) }, { cause: error });
    }
  }
}
