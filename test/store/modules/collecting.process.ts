/**
 * Collects a directory and tells of each hundredth value that it looks at, until it is killed. Values whose address
 * begins with an even digit are wanted.
 */
import { openBlobs } from "../../../src/store/index.ts";

const [directory = ""] = process.argv.slice(2);
let seen = 0;
const keep = (sha256: string): boolean => {
  seen += 1;
  if (seen % 100 === 0) process.stdout.write(`${seen}\n`);
  return Number.parseInt(sha256.charAt(0), 16) % 2 === 0;
};
await openBlobs({ directory }).collect({ keep, beforeMs: () => Date.now() - 60_000 });
process.stdout.write("done\n");
