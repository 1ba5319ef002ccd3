import type { Clock } from "../scope/index.ts";
import type { BlobStore } from "../store/index.ts";
import { capturePrinted, type Printer } from "./printed-text.ts";
import { createRunner, type Runner } from "./runner.ts";
import { Slots } from "./slots.ts";
import type { ThreadMessage, ThreadSetup } from "./thread-message.ts";

/** What a thread has of its own: given in, so that a test can stand for a thread. */
export interface ThreadHost {
  readonly threadId: number;
  readonly clock: Clock;
  readonly post: (message: ThreadMessage) => void;
  readonly stdout: Printer;
  readonly stderr: Printer;
  /** Runs `note` synchronously when the thread ends by its own doing. */
  readonly onEnd: (note: () => void) => void;
}

/** Makes a thread one that runs handlers: their output becomes log records, and its end leaves a trace. */
export function openHandlerThread(setup: ThreadSetup, host: ThreadHost): Runner {
  const runner = createRunner({
    slots: new Slots(setup.slots),
    modules: setup.modules,
    roots: setup.roots,
    allowedHosts: setup.allowedHosts,
    blobs: setup.blobsDirectory === null ? null : blobsOnDemand(setup.blobsDirectory),
    threadId: host.threadId,
    clock: host.clock,
    post: host.post,
  });
  capturePrinted(host.stdout, "info", (level, text) => runner.log().write(level, text));
  capturePrinted(host.stderr, "error", (level, text) => runner.log().write(level, text));
  host.onEnd(() => runner.noteEnd());
  return runner;
}

/** The store is loaded with the first large value: a thread that meets none starts sooner. */
function blobsOnDemand(directory: string): Pick<BlobStore, "get" | "put" | "touch" | "pieces"> {
  let opening: Promise<BlobStore> | null = null;
  const opened = async (): Promise<BlobStore> => {
    const { openBlobs } = await import("../store/index.ts");
    return openBlobs({ directory });
  };
  const blobs = (): Promise<BlobStore> => (opening ??= opened());
  return {
    get: async (sha256) => (await blobs()).get(sha256),
    put: async (bytes) => (await blobs()).put(bytes),
    touch: async (sha256) => (await blobs()).touch(sha256),
    async *pieces(sha256) {
      yield* (await blobs()).pieces(sha256);
    },
  };
}
