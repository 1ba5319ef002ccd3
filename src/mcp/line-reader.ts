/** What bytes turned out to hold: the text of a line, or a line longer than is taken. */
export type Line = { readonly text: string } | { readonly tooLong: true };

const NEWLINE = 10;

/** Cuts a stream of bytes into lines, in linear time whatever the chunks, and with bounded memory. */
export class LineReader {
  readonly #bytesMax: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The lines that end in this chunk. A chunk is not looked at again. */
  *feed(chunk: Uint8Array): Generator<Line> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end));
      yield this.#take();
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  /** What came after the last line end; undefined when there is nothing. */
  rest(): Line | undefined {
    return this.#bytes === 0 ? undefined : this.#take();
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#bytes += bytes.length;
    if (this.#bytes > this.#bytesMax) this.#parts = [];
    else this.#parts.push(bytes);
  }

  #take(): Line {
    const line: Line =
      this.#bytes > this.#bytesMax
        ? { tooLong: true }
        : { text: Buffer.concat(this.#parts).toString("utf8") };
    this.#parts = [];
    this.#bytes = 0;
    return line;
  }
}
