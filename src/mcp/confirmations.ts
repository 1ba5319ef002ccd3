import { createHash, randomBytes } from "node:crypto";
import { LIMITS } from "../errors/index.ts";
import { canonicalJson } from "../schema/index.ts";
import type { Clock } from "../scope/index.ts";

/** What is to be confirmed: one call, word for word. */
export interface ConfirmedCall {
  readonly tool: string;
  /** Without what confirms it. */
  readonly args: Readonly<Record<string, unknown>>;
}

interface Awaited {
  readonly callHash: string;
  readonly untilMs: number;
}

const TOKEN_BYTES = 18;

/**
 * Confirmations that are waited for. A token is a random name that only this process knows: it stands for one call with
 * exactly its arguments, once, for ten minutes. At most 1,000 are kept; the oldest goes first.
 */
export class Confirmations {
  readonly #clock: Clock;
  /** By token, oldest first. */
  readonly #awaited = new Map<string, Awaited>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A token for this call. */
  ask(call: ConfirmedCall): string {
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    const untilMs = this.#clock.now() + LIMITS.mcp.confirmationMs;
    this.#awaited.set(token, { callHash: hashOf(call), untilMs });
    const [oldest] = this.#awaited.keys();
    if (oldest !== undefined && this.#awaited.size > LIMITS.mcp.confirmations) this.#awaited.delete(oldest);
    return token;
  }

  /** Whether the token stands for this call. It does so once: whatever is asked of it, it is gone then. */
  redeem(token: string, call: ConfirmedCall): boolean {
    const awaited = this.#awaited.get(token);
    this.#awaited.delete(token);
    return awaited !== undefined && awaited.untilMs > this.#clock.now() && awaited.callHash === hashOf(call);
  }
}

/** Two calls that say the same in another order are the same. */
const hashOf = ({ tool, args }: ConfirmedCall): string =>
  createHash("sha256")
    .update(canonicalJson([tool, args]))
    .digest("hex");
