import { sentenceOf } from "../../errors/index.ts";
import { unlessLate, type Clock, type Timer } from "../../scope/index.ts";
import type { Log } from "../../telemetry/index.ts";
import type { Gateway, PortLease } from "./port-lease.ts";

export interface PortMappingServices {
  readonly clock: Clock;
  readonly log: Log;
  /** Gateways that might give a port, best first; each is asked only when those before it gave none. */
  readonly gateways: () => AsyncIterable<Gateway>;
  /** The TCP port of this node at that own address; null: it listens on none there. */
  readonly portAt: (internalAddress: string) => Promise<number | null>;
  /** May that be a public address? A gateway behind another one gives ports that lead nowhere. */
  readonly accepts: (address: string) => boolean;
  /** There is a port, or another, or none any more. */
  readonly changed?: () => void;
}

/** Renewed when half of it is over, and no more often than this, however short a gateway makes it. */
const RENEWAL_MS_MIN = 5_000;
/** When no gateway gave a port, they are asked again: the machine may have moved to another network. */
export const RETRY_MS = 1_800_000;
/** A goodbye to a gateway holds up nobody's end for longer. */
export const RELEASE_MS = 1_000;

interface Held {
  readonly gateway: Gateway;
  readonly lease: PortLease;
  readonly internalPort: number;
}

/**
 * Keeps one port of a gateway that leads to this node: asks for it, renews it at half of its time, asks anew when it is
 * lost, and gives it back at the end.
 */
export class PortMapping {
  readonly #services: PortMappingServices;
  #held: Held | undefined;
  #timer: Timer | undefined;
  #asked: Gateway | undefined;
  /** What is being asked for, so that questions come one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(services: PortMappingServices) {
    this.#services = services;
  }

  get lease(): PortLease | null {
    return this.#held?.lease ?? null;
  }

  /** Asks for a port, or for a new one when the node's own has changed. Resolves when it is known whether there is one. */
  update(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#update());
    return this.#turn;
  }

  /** The port is given back, if the gateway hears of it within a second. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    const { clock } = this.#services;
    await unlessLate(
      this.#turn.then(() => this.#drop()),
      RELEASE_MS,
      clock,
    );
    this.#asked?.close();
    this.#held?.gateway.close();
  }

  async #update(): Promise<void> {
    if (this.#isClosed) return;
    this.#timer?.cancel();
    if (this.#held !== undefined && (await this.#renew(this.#held))) return;
    await this.#drop();
    for await (const gateway of this.#services.gateways()) {
      this.#asked = gateway;
      if (!this.#isClosed && (await this.#acquire(gateway))) return;
      if (this.#held?.gateway !== gateway) gateway.close();
      if (this.#isClosed) return;
    }
    this.#again(RETRY_MS);
  }

  /** @returns whether the gateway gave a port */
  async #acquire(gateway: Gateway): Promise<boolean> {
    const { log, portAt, accepts } = this.#services;
    try {
      const internalPort = await portAt(gateway.internalAddress);
      if (internalPort === null) return false;
      const lease = await gateway.map(internalPort, internalPort);
      this.#held = { gateway, lease, internalPort };
      if (this.#isClosed) return true;
      if (!accepts(lease.externalAddress)) {
        log.info("a port of the gateway is of no use", {
          gateway: gateway.kind,
          why: "another gateway lies behind it",
        });
        await this.#drop();
        return false;
      }
      log.info("the gateway gave a port", { gateway: gateway.kind, port: lease.externalPort });
      this.#keep(lease);
      return true;
    } catch (error) {
      log.info("a gateway gave no port", { gateway: gateway.kind, why: sentenceOf(error) });
      return false;
    }
  }

  /** @returns whether it holds on */
  async #renew({ gateway, lease, internalPort }: Held): Promise<boolean> {
    try {
      if ((await this.#services.portAt(gateway.internalAddress)) !== internalPort) return false;
      const renewed = await gateway.map(internalPort, lease.externalPort);
      if (!this.#services.accepts(renewed.externalAddress)) return false;
      this.#held = { gateway, lease: renewed, internalPort };
      this.#keep(renewed);
      return true;
    } catch (error) {
      this.#services.log.warn("a port of the gateway is lost", {
        gateway: gateway.kind,
        why: sentenceOf(error),
      });
      return false;
    }
  }

  async #drop(): Promise<void> {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    this.#services.changed?.();
    try {
      await held.gateway.release(held.internalPort, held.lease.externalPort);
    } catch (error) {
      // Its lease ends it.
      this.#services.log.info("a port could not be given back", { why: sentenceOf(error) });
    } finally {
      held.gateway.close();
    }
  }

  #keep({ lifetimeS }: PortLease): void {
    this.#services.changed?.();
    if (lifetimeS !== Infinity) this.#again(Math.max(RENEWAL_MS_MIN, lifetimeS * 500));
  }

  #again(afterMs: number): void {
    const { clock } = this.#services;
    this.#timer?.cancel();
    if (!this.#isClosed) this.#timer = clock.at(clock.now() + afterMs, () => void this.update());
  }
}
