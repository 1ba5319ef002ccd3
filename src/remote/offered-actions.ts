import type { RefOf } from "../actor/index.ts";
import { LIMITS, isFault } from "../errors/index.ts";
import type { PeerRegistry } from "../peers/peers.protocol.ts";
import type { Queue } from "../queue/queue.protocol.ts";
import type { Clock } from "../scope/index.ts";
import type { Log } from "../telemetry/index.ts";
import type { Gate } from "./gate.core.ts";

export interface OfferedActionsServices {
  readonly gate: Gate;
  readonly queue: RefOf<typeof Queue>;
  readonly registry: RefOf<typeof PeerRegistry>;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the queue may take to load the modules of handlers. */
const ACTIONS_MS = 60_000;

/**
 * Which actions this node has handlers for, and which of them its record tells everybody of: those that some grant names.
 * Until something is granted, nothing is loaded and nothing told.
 */
export class OfferedActions {
  readonly #services: OfferedActionsServices;
  #asking: Promise<boolean> | null = null;
  #told = "";

  constructor(services: OfferedActionsServices) {
    this.#services = services;
  }

  /** Resolves with true when the gate knows them, and with false when they cannot be known now. */
  known(): Promise<boolean> {
    this.#asking ??= this.#ask();
    return this.#asking;
  }

  async #ask(): Promise<boolean> {
    const { gate, queue, log } = this.#services;
    try {
      const actions = await queue.call.actions(undefined, { timeoutMs: ACTIONS_MS });
      gate.offer(actions.map(({ name }) => name));
      return true;
    } catch (error) {
      if (!isFault(error)) throw error;
      // A module may be mended meanwhile.
      this.#asking = null;
      // Whoever closes at once is told nothing that matters.
      if (!isFault(error, "ACTOR_STOPPED"))
        log.warn("peers can run nothing here: the handlers are not known", { why: error.message });
      return false;
    }
  }

  /** To be called when grants have changed. */
  async tell(): Promise<void> {
    const { gate, registry, clock, log } = this.#services;
    const nowMs = clock.wallNow();
    if (gate.hasGrants(nowMs)) await this.known();
    const named = gate.namedActions(nowMs);
    const capabilities = named.slice(0, LIMITS.peers.capabilities);
    const told = capabilities.join("\n");
    if (told === this.#told) return;
    if (named.length > capabilities.length) {
      log.warn("the record of this node does not tell all actions that it has granted", {
        told: capabilities.length,
        granted: named.length,
      });
    }
    try {
      await registry.call.offer({ capabilities });
      this.#told = told;
    } catch (error) {
      if (!isFault(error)) throw error;
      log.warn("the record of this node could not be changed", { why: error.message });
    }
  }
}
