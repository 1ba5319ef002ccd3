import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fault, sentenceOf } from "../errors/index.ts";

/** What is to be known of the place in which a queue under load lives. */
export interface Disk {
  readonly filesystem: string;
  /** The median of some small writes with fsync. */
  readonly fsyncMs: number;
}

/** What `statfs` calls the common ones; on some of them an fsync says nothing about a disk. */
const FILESYSTEMS: Readonly<Record<number, string>> = {
  0xef53: "ext4",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0x2fc12fc1: "zfs",
  0x01021994: "tmpfs: memory, where fsync costs nothing",
  0x794c7630: "overlayfs",
  0x6969: "nfs",
};

const FSYNCS = 21;

/** A directory of its own, for whoever removes it. @throws FILE_UNWRITABLE */
export function temporaryDirectory(): string {
  const path = join(tmpdir(), "mcplusplus-load-");
  try {
    return mkdtempSync(path);
  } catch (error) {
    throw fault("FILE_UNWRITABLE", { path, why: sentenceOf(error) }, { cause: error });
  }
}

/** Of a directory that is there and can be written. */
export const diskOf = (directory: string): Disk => ({
  filesystem: filesystemOf(directory),
  fsyncMs: medianFsyncMs(directory),
});

function filesystemOf(path: string): string {
  const { type } = statfsSync(path);
  return FILESYSTEMS[type] ?? `type 0x${type.toString(16)}`;
}

/** A figure with an fsync in it means nothing without the time that one takes here. */
function medianFsyncMs(directory: string): number {
  const path = join(directory, `.fsync-${process.pid}`);
  const file = openSync(path, "w");
  try {
    const block = Buffer.alloc(4_096, 1);
    const times = Array.from({ length: FSYNCS }, () => {
      writeSync(file, block);
      const startMs = performance.now();
      fsyncSync(file);
      return performance.now() - startMs;
    });
    return times.toSorted((one, other) => one - other)[Math.floor(FSYNCS / 2)] ?? 0;
  } finally {
    closeSync(file);
    rmSync(path, { force: true });
  }
}
