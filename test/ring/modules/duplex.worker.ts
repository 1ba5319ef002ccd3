import { parentPort, workerData } from "node:worker_threads";
import { Presence, SharedBell, ThreadPoller } from "../../../src/ring/index.ts";
import { attachMetrics } from "../../../src/telemetry/index.ts";
import { Duplex, type Round } from "./duplex.ts";
import { lcg } from "./lcg.ts";

/** What the worker is born with. */
export interface DuplexWorkerData {
  readonly ownBell: SharedArrayBuffer;
  readonly hostBell: SharedArrayBuffer;
  readonly presence: SharedArrayBuffer;
  readonly metrics: SharedArrayBuffer;
}

const { ownBell, hostBell, presence, metrics } = workerData as DuplexWorkerData;
const poller = new ThreadPoller(ownBell, new Presence(presence, 1), { metrics: attachMetrics(metrics) });
const otherBell = new SharedBell(hostBell);

/** A round is played and reported; anything else is sent back, which shows that the event loop turns. */
parentPort?.on("message", (message: Round | string) => {
  if (typeof message === "string") {
    parentPort?.postMessage(message);
    return;
  }
  const rings = { out: message.toHost, in: message.toWorker };
  new Duplex(rings, { poller, otherBell, random: lcg(message.seed) }, message.messages).run().then(
    () => parentPort?.postMessage("done"),
    (error: unknown) => parentPort?.postMessage(String(error)),
  );
});
