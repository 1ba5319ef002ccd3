import { fault } from "../../errors/index.ts";
import { checkRecord, type RefusedFor } from "../capability-record.ts";
import type { RecordSource } from "../peers.protocol.ts";
import type { RegistryContext } from "./registry-context.ts";
import type { RegistryFile } from "./registry-file.ts";

/** Records whose signatures are being checked; what comes by itself beyond them is dropped, and counted. */
const CHECKED_AT_ONCE = 256;

export type Intake =
  | { readonly ok: true; readonly peerId: string; readonly isNew: boolean }
  | { readonly ok: false; readonly for: RefusedFor; readonly why: string };

/** The one way in for records, from wherever they come: they are checked, and kept when they are newer. */
export class RecordIntake {
  readonly #context: RegistryContext;
  readonly #file: RegistryFile;
  #checking = 0;

  constructor(context: RegistryContext, file: RegistryFile) {
    this.#context = context;
    this.#file = file;
  }

  /** Records of an earlier life, checked as if they came from a stranger: a file can be changed. */
  async load(): Promise<void> {
    for (const { sealed, sources } of this.#file.records())
      for (const source of sources) await this.take(sealed, source, { keep: false });
  }

  /** For what comes unasked. */
  offer(sealed: Uint8Array, source: RecordSource): void {
    if (this.#checking >= CHECKED_AT_ONCE) this.#context.count("records_dropped");
    else void this.take(sealed, source);
  }

  /**
   * Never rejects, whatever the bytes are.
   *
   * @param from whose record it must be; null: anybody's
   */
  async take(
    sealed: Uint8Array,
    source: RecordSource,
    { from = null, keep = true }: { readonly from?: string | null; readonly keep?: boolean } = {},
  ): Promise<Intake> {
    const { core, now, count, changed } = this.#context;
    this.#checking += 1;
    const checked = await checkRecord(sealed, {
      nowMs: now().wallMs,
      sequenceOf: (peerId) => core.sequenceOf(peerId),
    }).finally(() => (this.#checking -= 1));
    if (checked.verdict === "refused") {
      count(`refused_${checked.for}`);
      return { ok: false, for: checked.for, why: checked.why };
    }
    const { record } = checked;
    if (from !== null && record.peerId !== from) {
      count("refused_signer");
      return { ok: false, for: "signer", why: "it is the record of another peer" };
    }
    const taken = core.take(record, source, now());
    count(`records_${taken}`);
    if (taken === "newer") {
      const { lastSeenMs, sources } = core.get(record.peerId) ?? { lastSeenMs: 0, sources: [] };
      if (keep)
        this.#file.keepRecord(record.peerId, record.expiresAtMs, {
          sealed,
          sources: [...sources],
          lastSeenMs,
        });
      changed(record.peerId);
    }
    return { ok: true, peerId: record.peerId, isNew: taken === "newer" };
  }

  /** What a peer tells of itself. @throws RECORD_INVALID */
  async told(peerId: string, sealed: Uint8Array): Promise<void> {
    const taken = await this.take(sealed, "connection", { from: peerId });
    if (!taken.ok) throw fault("RECORD_INVALID", { why: taken.why });
  }
}
