import { Writable } from "node:stream";

/**
 * Takes standard output for the protocol: one stray line of a dependency would break the client, so whatever else is
 * printed in this thread goes to standard error from now on.
 */
export function claimStandardOutput(): Writable {
  const { stdout, stderr } = process;
  const write = stdout.write.bind(stdout);
  stdout.write = stderr.write.bind(stderr);
  const claimed = new Writable({
    decodeStrings: false,
    write: (chunk: string, _encoding, done) => void write(chunk, "utf8", (error) => done(error)),
    // What was written while it was corked leaves in one piece.
    writev: (chunks: { chunk: string }[], done) =>
      void write(chunks.map(({ chunk }) => chunk).join(""), "utf8", (error) => done(error)),
  });
  stdout.on("error", (error: Error) => claimed.destroy(error));
  return claimed;
}
