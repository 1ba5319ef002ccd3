import { isIP } from "node:net";
import { LIMITS, isCancellation, sentenceOf } from "../../errors/index.ts";
import { unlessLate, type Clock } from "../../scope/index.ts";
import { readBody } from "./bounded-body.ts";

/** What asking stands on. */
export interface PublicAddressServices {
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
  readonly fetch: typeof fetch;
  /** Whether an address may be somebody's public one. */
  readonly accepts: (address: string) => boolean;
}

/** What the services agree on. */
export interface LearnedAddress {
  readonly ipv4: string | null;
  readonly ipv6: string | null;
  /** Every value that is told was said by two services. */
  readonly confirmed: boolean;
  /** Why each of the others was of no use, by its URL. */
  readonly failures: Readonly<Record<string, string>>;
}

/** How long one service may take. */
const SERVICE_MS = 3_000;
/** How long the other family is waited for when one is known. */
const OTHER_FAMILY_MS = 500;
/** A service alone may lie, or sit behind a captive portal. */
const QUORUM = 2;

/**
 * Asks all services at once from which address they see this node. In each family, the first value that two of them say is
 * it; the rest is aborted. A value that nobody contradicts and only one says is told as unconfirmed, and only when nothing
 * is confirmed. Services that contradict each other without two that agree: null.
 */
export function askPublicAddress(
  urls: readonly string[],
  services: PublicAddressServices,
): Promise<LearnedAddress> {
  return new Race(urls, services).run();
}

type Family = 4 | 6;

class Race {
  readonly #urls: readonly string[];
  readonly #services: PublicAddressServices;
  readonly #votes = { 4: new Map<string, number>(), 6: new Map<string, number>() };
  readonly #failures: Record<string, string> = {};
  readonly #over = new AbortController();
  readonly #decided = Promise.withResolvers<void>();

  constructor(urls: readonly string[], services: PublicAddressServices) {
    this.#urls = urls;
    this.#services = services;
  }

  async run(): Promise<LearnedAddress> {
    const { clock, signal } = this.#services;
    const end = (): void => this.#decided.resolve();
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    const asked = Promise.all(this.#urls.map((url) => this.#ask(url)));
    void asked.then(end);
    await this.#decided.promise;
    signal.removeEventListener("abort", end);
    // Who has one family for sure gives the other a moment: its services may only be slower.
    const isHalf = this.#winner(4) === undefined || this.#winner(6) === undefined;
    if (isHalf && !signal.aborted) await unlessLate(asked, OTHER_FAMILY_MS, clock);
    this.#over.abort();
    await asked;
    return this.#outcome();
  }

  async #ask(url: string): Promise<void> {
    const { clock, fetch: get } = this.#services;
    const controller = new AbortController();
    const late = clock.at(clock.now() + SERVICE_MS, () =>
      controller.abort(new Error(`no answer within ${SERVICE_MS / 1000} s`)),
    );
    const abort = (): void => controller.abort();
    this.#over.signal.addEventListener("abort", abort, { once: true });
    this.#services.signal.addEventListener("abort", abort, { once: true });
    try {
      this.#vote(await fetchLine(url, get, controller.signal));
    } catch (error) {
      if (!this.#over.signal.aborted) this.#failures[url] = causeOf(error, controller.signal);
    } finally {
      late.cancel();
      this.#over.signal.removeEventListener("abort", abort);
      this.#services.signal.removeEventListener("abort", abort);
    }
  }

  #vote(text: string): void {
    const address = text.trim();
    const family = isIP(address);
    if (family === 0) throw new Error("the answer is no address");
    if (!this.#services.accepts(address)) throw new Error("the answer is no public address");
    const votes = this.#votes[family as Family];
    const canonical = family === 6 ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
    const count = (votes.get(canonical) ?? 0) + 1;
    votes.set(canonical, count);
    if (count >= QUORUM) this.#decided.resolve();
  }

  #winner(family: Family): string | undefined {
    return [...this.#votes[family]].find(([, count]) => count >= QUORUM)?.[0];
  }

  #outcome(): LearnedAddress {
    const failures = this.#failures;
    const [ipv4 = null, ipv6 = null] = [this.#winner(4), this.#winner(6)];
    if (ipv4 !== null || ipv6 !== null) return { ipv4, ipv6, confirmed: true, failures };
    return { ipv4: this.#only(4), ipv6: this.#only(6), confirmed: false, failures };
  }

  /** The one value that was said, if no other was. */
  #only(family: Family): string | null {
    const [first, ...others] = this.#votes[family].keys();
    return first !== undefined && others.length === 0 ? first : null;
  }
}

/** At most 4 KiB of text from exactly this URL: a redirect would let whoever holds the network answer for the service. */
async function fetchLine(url: string, get: typeof fetch, signal: AbortSignal): Promise<string> {
  const response = await get(url, { signal, redirect: "error", headers: { accept: "text/plain" } });
  const body = await readBody(response, LIMITS.bootstrap.ipAnswerBytes, "its");
  if (response.status !== 200) throw new Error(`it answered with status ${response.status}`);
  return new TextDecoder("utf-8", { fatal: true }).decode(body);
}

/** `fetch` says "fetch failed", and the reason one level down. */
function causeOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted && isCancellation(error)) return "it was not waited for";
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return sentenceOf(cause);
}
