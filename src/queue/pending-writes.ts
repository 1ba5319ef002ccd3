/** What memory has decided and the disk has not confirmed yet. */
export class PendingWrites {
  readonly #onWritten: () => void;
  /** Settles with the latest write: has it reached the disk? Null when memory and disk agree. */
  #latest: Promise<boolean> | null = null;

  constructor(onWritten: () => void) {
    this.#onWritten = onWritten;
  }

  /** Whoever reads waits for this write as well. */
  track(written: Promise<void>): Promise<void> {
    const latest = written.then(
      () => {
        this.#onWritten();
        return true;
      },
      () => false,
    );
    this.#latest = latest;
    void latest.then(() => {
      if (this.#latest === latest) this.#latest = null;
    });
    return written;
  }

  /** Resolves when all of them are on disk, or undone: false, when something of what memory holds now has been. */
  async settled(): Promise<boolean> {
    return this.#latest === null || (await this.#latest);
  }

  /**
   * What `read` sees in memory, as soon as all of it is on disk. It does not wait for what comes later, so a busy
   * queue answers as well; when what it saw has been taken back, it looks again.
   */
  async confirmed<T>(read: () => T): Promise<T> {
    for (;;) {
      const seen = read();
      if (await this.settled()) return seen;
    }
  }
}
