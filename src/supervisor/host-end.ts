import {
  Connection,
  LinkClient,
  createRef,
  type BellOf,
  type Link,
  type Members,
  type Place,
  type Protocol,
  type Ref,
} from "../actor/index.ts";
import { fault, fromWireError, type Fault, type WireError } from "../errors/index.ts";
import type { HostSide } from "./supervisor.ts";

/** The program's own end of its links: one connection per actor, which outlives the actor's restarts. */
export class HostEnd implements HostSide {
  readonly #place: Place;
  readonly #bellOf: BellOf;
  readonly #onGaveUp: (reason: Fault) => void;
  readonly #connections = new Map<string, Connection>();
  readonly #clients = new Map<number, LinkClient>();

  constructor(place: Place, bellOf: BellOf, onGaveUp: (reason: Fault) => void) {
    this.#place = place;
    this.#bellOf = bellOf;
    this.#onGaveUp = onGaveUp;
  }

  /** Of an actor that has been up: one that is not known here any more has ended for good. */
  ref<M extends Members>(protocol: Protocol<M>, name: string): Ref<M> {
    let connection = this.#connections.get(name);
    if (!connection) {
      connection = new Connection(name);
      connection.down(fault("ACTOR_STOPPED", { actor: name }), true);
    }
    return createRef(protocol, connection);
  }

  connect(link: Link): void {
    const client = new LinkClient(link, this.#place, this.#bellOf(link.calleeBell, link.callee));
    this.#clients.set(link.id, client);
    let connection = this.#connections.get(link.callee);
    if (!connection) {
      connection = new Connection(link.callee);
      this.#connections.set(link.callee, connection);
    }
    connection.up(client);
  }

  /**
   * Puts a connection that has stood on something else in the place of the one that the supervisor's links were given:
   * its refs then reach the actors of this supervisor. Those of the replaced one are not told of restarts any more.
   */
  adopt(connection: Connection): void {
    const { callee } = connection;
    const replaced = this.#connections.get(callee);
    this.#connections.set(callee, connection);
    for (const client of this.#clients.values()) if (replaced?.uses(client)) connection.up(client);
  }

  disconnect(linkId: number, reason: WireError): void {
    const client = this.#clients.get(linkId);
    if (!client) return;
    this.#clients.delete(linkId);
    const why = fromWireError(reason);
    client.lose(why);
    for (const connection of this.#connections.values()) if (connection.uses(client)) connection.down(why);
  }

  dismiss(callee: string, reason: WireError): void {
    this.#connections.get(callee)?.down(fromWireError(reason), true);
    // A name may be given to another actor later; refs of this one stay dead.
    this.#connections.delete(callee);
  }

  gaveUp(reason: WireError): void {
    this.#onGaveUp(fromWireError(reason));
  }

  /** Everything is over: whoever still waits learns it. */
  close(reason: Fault = fault("ACTOR_STOPPED", { actor: "the system" })): void {
    for (const client of this.#clients.values()) client.close(reason);
    for (const connection of this.#connections.values()) connection.down(reason, true);
    this.#clients.clear();
    this.#place.poller.close();
  }
}
