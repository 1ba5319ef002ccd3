/**
 * Lists of step numbers, one for each step, one after the other in one array: the edges of a graph of a million steps
 * are two arrays then, not a million.
 *
 *     starts  0     2  3        row 0 = items[0..2), row 1 = items[2..3), …
 *     items   4  7  0
 */
export class Rows {
  /** One more than there are rows. */
  readonly starts: Uint32Array;
  readonly items: Uint32Array;

  constructor(starts: Uint32Array, items: Uint32Array) {
    this.starts = starts;
    this.items = items;
  }

  get length(): number {
    return this.starts.length - 1;
  }

  lengthOf(row: number): number {
    return (this.starts[row + 1] ?? 0) - (this.starts[row] ?? 0);
  }

  /** A view, not a copy. */
  row(row: number): Uint32Array {
    return this.items.subarray(this.starts[row], this.starts[row + 1]);
  }

  /** All edges the other way round; each row ascends. */
  reversed(): Rows {
    const { items, starts } = this;
    const rows = this.length;
    const reversedStarts = new Uint32Array(rows + 1);
    for (let edge = 0; edge < items.length; edge++) {
      const to = items[edge] ?? 0;
      reversedStarts[to + 1] = (reversedStarts[to + 1] ?? 0) + 1;
    }
    for (let row = 0; row < rows; row++) {
      reversedStarts[row + 1] = (reversedStarts[row + 1] ?? 0) + (reversedStarts[row] ?? 0);
    }
    const free = reversedStarts.slice();
    const reversedItems = new Uint32Array(items.length);
    for (let row = 0; row < rows; row++) {
      const end = starts[row + 1] ?? 0;
      for (let edge = starts[row] ?? 0; edge < end; edge++) {
        const to = items[edge] ?? 0;
        const place = free[to] ?? 0;
        reversedItems[place] = row;
        free[to] = place + 1;
      }
    }
    return new Rows(reversedStarts, reversedItems);
  }
}
