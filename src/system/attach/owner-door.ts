import { createServer, type Server, type Socket } from "node:net";
import type { Connection } from "../../actor/index.ts";
import { LIMITS, fault, type Fault } from "../../errors/index.ts";
import type { Clock } from "../../scope/index.ts";
import type { ChildHealth } from "../../supervisor/index.ts";
import { METRICS, type MetricsBlock } from "../../telemetry/index.ts";
import { FRAME_BYTES_MAX, FrameReader, frameOf } from "./frame.ts";
import { helloIn, objectionTo, refusalFields, welcomeFields, type Hello } from "./greeting.ts";
import { GuestDesk } from "./guest-desk.ts";
import { takePlace } from "./socket-place.ts";

/** What an owner opens to its guests. */
export interface DoorSetup {
  /** The directory that it owns. */
  readonly data: string;
  readonly self: Hello;
  readonly graceMs: number;
  /** To the eight actors, in the order of `ACTORS`. */
  readonly connections: readonly Connection[];
  readonly health: () => Promise<ChildHealth[]>;
  readonly clock: Clock;
  readonly metrics: MetricsBlock;
}

/** Where other processes attach to the owner of a data directory. */
export interface OwnerDoor {
  /** Cuts every guest off: what they have under way is cancelled. Resolves when nobody listens any more. */
  close(): Promise<void>;
}

/** Connections of which it is not known yet whose they are. */
const STRANGERS_MAX = 8;

/**
 * Opens the door, in the place of whatever a dead owner has left. Only for whoever has the lock of the directory's stores.
 *
 * @throws the system's error when nobody can listen there
 */
export async function openOwnerDoor(setup: DoorSetup): Promise<OwnerDoor> {
  const place = takePlace(setup.data);
  const reception = new Reception(setup);
  const server = createServer((socket) => reception.receive(socket));
  server.maxConnections = LIMITS.attach.guests + STRANGERS_MAX;
  server.on("drop", () => setup.metrics.count(METRICS.guestsCutOff));
  try {
    await listening(server, place.listenAt);
    place.publish();
  } catch (error) {
    server.close();
    place.remove();
    throw error;
  }
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const ended = Promise.withResolvers<void>();
    server.close(() => ended.resolve());
    reception.close();
    place.remove();
    await ended.promise;
  };
  return { close: () => (closed ??= close()) };
}

function listening(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(path, () => {
    server.off("error", reject);
    // What goes wrong with one connection is that connection's end.
    server.on("error", () => undefined);
    resolve();
  });
  return promise;
}

/** Learns who comes, and lets in whoever fits. */
class Reception {
  readonly #setup: DoorSetup;
  readonly #sockets = new Set<Socket>();
  #guests = 0;

  constructor(setup: DoorSetup) {
    this.#setup = setup;
  }

  receive(socket: Socket): void {
    const { clock } = this.#setup;
    const reader = new FrameReader(LIMITS.attach.helloBytes);
    let desk: GuestDesk | undefined;
    this.#sockets.add(socket);
    const timer = clock.at(clock.now() + LIMITS.attach.helloMs, () => this.#cutOff(socket));
    socket.on("error", () => undefined); // "close" follows
    socket.on("close", () => {
      timer.cancel();
      this.#sockets.delete(socket);
      if (desk === undefined) return;
      this.#guests -= 1;
      desk.close();
    });
    socket.on("data", (chunk) => {
      try {
        for (const fields of reader.push(chunk)) {
          if (desk !== undefined) desk.hear(fields);
          else {
            timer.cancel();
            desk = this.#greet(socket, fields);
            if (desk === undefined) return;
            reader.bytesMax = FRAME_BYTES_MAX;
          }
        }
      } catch {
        this.#cutOff(socket);
      }
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Undefined: it was told why it cannot be served. @throws VALUE_CORRUPT */
  #greet(socket: Socket, fields: readonly unknown[]): GuestDesk | undefined {
    const { self, data, graceMs, connections, health, metrics } = this.#setup;
    const { pid } = process;
    const objection = objectionTo(helloIn(fields), { ...self, data, pid });
    const refusal = objection === undefined ? this.#crowd() : objection;
    if (refusal !== undefined) {
      metrics.count(METRICS.guestsRefused);
      // Whatever else it says is not heard.
      socket
        .removeAllListeners("data")
        .resume()
        .end(frameOf(refusalFields(refusal)));
      return undefined;
    }
    this.#guests += 1;
    socket.write(frameOf(welcomeFields({ pid, graceMs })));
    return new GuestDesk(socket, { connections, health, cutOff: () => this.#cutOff(socket) });
  }

  #crowd(): Fault | undefined {
    const { guests } = LIMITS.attach;
    if (this.#guests < guests) return undefined;
    const what = `process ${process.pid}, which owns ${this.#setup.data},`;
    return fault("UNAVAILABLE", { what, why: `${guests} processes are attached to it, which is the most` });
  }

  #cutOff(socket: Socket): void {
    if (socket.destroyed) return;
    this.#setup.metrics.count(METRICS.guestsCutOff);
    socket.destroy();
  }
}
