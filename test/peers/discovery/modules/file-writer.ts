import { FileSource } from "../../../../src/peers/discovery/file-source.ts";
import { systemClock } from "../../../../src/scope/index.ts";
import { makeSigner } from "../../registry/record-kit.ts";

/** Announces itself in a file again and again, and says who it is. */
const [, , path = "", times = "1"] = process.argv;
const signer = await makeSigner();
// Timers of the system's clock keep no process alive.
const alive = setInterval(() => undefined, 1_000);
const source = new FileSource(path, { clock: systemClock, count: () => undefined });
for (let nth = 0; nth < Number(times); nth++) {
  const record = signer.record(Date.now());
  await source.announce({ record, sealed: await signer.seal(record) }, new AbortController().signal);
}
clearInterval(alive);
process.stdout.write(signer.peerId);
