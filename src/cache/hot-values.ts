import { RecencyList, type Linked } from "./recency-list.ts";

interface Hot extends Linked<Hot> {
  readonly id: number;
  readonly value: Uint8Array;
}

/** The values that were used last, as many as fit: what they save is a read from the file, never a result. */
export class HotValues {
  readonly #bytesMax: number;
  readonly #byId = new Map<number, Hot>();
  readonly #recency = new RecencyList<Hot>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(id: number): Uint8Array | undefined {
    const hot = this.#byId.get(id);
    if (hot !== undefined) this.#recency.touch(hot);
    return hot?.value;
  }

  /** A value larger than the whole tier is not kept. */
  keep(id: number, value: Uint8Array): void {
    if (value.byteLength > this.#bytesMax) return;
    this.forget(id);
    const hot: Hot = { id, value, newer: undefined, older: undefined };
    this.#byId.set(id, hot);
    this.#recency.addNewest(hot);
    this.#bytes += value.byteLength;
    for (
      let oldest = this.#recency.oldest;
      this.#bytes > this.#bytesMax && oldest;
      oldest = this.#recency.oldest
    ) {
      this.forget(oldest.id);
    }
  }

  forget(id: number): void {
    const hot = this.#byId.get(id);
    if (hot === undefined) return;
    this.#byId.delete(id);
    this.#recency.remove(hot);
    this.#bytes -= hot.value.byteLength;
  }
}
