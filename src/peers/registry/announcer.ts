import { LIMITS, fault, isFault, sentenceOf } from "../../errors/index.ts";
import { invalidArgument } from "../../schema/index.ts";
import type { Timer } from "../../scope/index.ts";
import { recordContent, sortedOnce, type PeerRecord } from "../capability-record.ts";
import type { Announcement } from "../discovery/discovery-source.ts";
import type { RegistryContext } from "./registry-context.ts";
import type { RegistryFile } from "./registry-file.ts";

/** A record is signed anew after this share of its life. */
const RENEWED_AFTER = 1 / 3;
/** Several addresses change together when a network does. */
const GATHER_MS = 1_000;
const RETRY_MS = 5_000;
const SEAL_MS = 5_000;

export interface AnnouncerOptions {
  readonly capabilities: readonly string[];
  readonly recordTtlMs: number;
  /** A new record is there: everybody is told. */
  readonly tell: (own: Announcement) => void;
}

/** Signs what this node says of itself, again and again, so that it holds as long as the node is there. */
export class Announcer {
  readonly #context: RegistryContext;
  readonly #file: RegistryFile;
  readonly #options: AnnouncerOptions;
  #capabilities: readonly string[];
  #lastSequence = 0;
  #own: Announcement | null = null;
  /** Renewals run one after the other, so that the last one tells the latest. */
  #renewing: Promise<unknown> = Promise.resolve();
  #timer: Timer | undefined;
  #isUp = false;

  constructor(context: RegistryContext, file: RegistryFile, options: AnnouncerOptions) {
    this.#context = context;
    this.#file = file;
    this.#options = options;
    this.#capabilities = sortedOnce(options.capabilities);
  }

  /** Null before the first. */
  get own(): Announcement | null {
    return this.#own;
  }

  up(): void {
    this.#isUp = true;
    this.#arm(0);
  }

  down(): void {
    this.#isUp = false;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The own addresses have changed. */
  readdressed(): void {
    if (this.#isUp) this.#arm(GATHER_MS);
  }

  /**
   * @param capabilities beside those that the node was started with, in place of those that were offered before
   * @throws INVALID_ARGUMENT when they are too many together: then those that were offered before hold
   */
  offer(capabilities: readonly string[]): Promise<number> {
    const all = sortedOnce([...this.#options.capabilities, ...capabilities]);
    const { capabilities: max } = LIMITS.peers;
    if (all.length > max) throw invalidArgument("capabilities", `${all.length} in all`, `at most ${max}`);
    this.#capabilities = all;
    return this.#renew();
  }

  #arm(afterMs: number): void {
    const { clock } = this.#context;
    this.#timer?.cancel();
    this.#timer = clock.at(clock.now() + afterMs, () => {
      this.#timer = undefined;
      void this.#renewInTime();
    });
  }

  async #renewInTime(): Promise<void> {
    try {
      await this.#renew();
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#context.count("renewals_failed");
      this.#context.log.warn("the own record could not be signed anew", { why: sentenceOf(error) });
      if (this.#isUp) this.#arm(RETRY_MS);
    }
  }

  #renew(): Promise<number> {
    const renewed = this.#renewing.then(() => this.#sign());
    this.#renewing = renewed.catch(() => undefined);
    return renewed;
  }

  async #sign(): Promise<number> {
    const { core, network, now, random } = this.#context;
    const { peerId, addresses } = await network.call.figures(undefined, { timeoutMs: SEAL_MS });
    core.ownId = peerId;
    const sequence = await this.#nextSequence();
    const issuedAtMs = Math.floor(now().wallMs);
    const { recordTtlMs } = this.#options;
    const own = await this.#seal({
      peerId,
      capabilities: this.#capabilities,
      addresses: addresses.slice(0, LIMITS.network.addresses),
      sequence,
      issuedAtMs,
      expiresAtMs: issuedAtMs + recordTtlMs,
    });
    this.#own = own;
    this.#context.count("records_signed");
    if (this.#isUp) this.#arm(recordTtlMs * RENEWED_AFTER * (0.9 + random.next() / 10));
    this.#options.tell(own);
    return sequence;
  }

  /** On disk before it is used, and never below the wall clock, in case the disk has lost it. */
  async #nextSequence(): Promise<number> {
    const { now } = this.#context;
    const known = Math.max(this.#file.sequence(), this.#lastSequence);
    const sequence = Math.max(known + 1, Math.floor(now().wallMs));
    this.#lastSequence = sequence;
    await this.#file.takeSequence(sequence);
    return sequence;
  }

  /** What does not fit goes without its last addresses. */
  async #seal(record: PeerRecord): Promise<Announcement> {
    const { network } = this.#context;
    const content = recordContent(record);
    const { envelope } = await network.call.seal(content, { timeoutMs: SEAL_MS });
    if (envelope.byteLength <= LIMITS.discovery.recordBytes) return { record, sealed: envelope };
    if (record.addresses.length > 0)
      return this.#seal({ ...record, addresses: record.addresses.slice(0, -1) });
    const { recordBytes } = LIMITS.discovery;
    throw fault("SIZE_EXCEEDED", { what: "the own record", limit: recordBytes, unit: "bytes" });
  }
}
