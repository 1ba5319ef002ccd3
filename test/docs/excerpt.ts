/** In an excerpt, on a line of its own: something of the file is left out here. */
const LEFT_OUT = /^[^\S\n]*\/\/ …\n/m;

/**
 * What of an excerpt is not in the file: its pieces must be there as whole lines, unchanged and in order.
 *
 * @returns the first piece that is missing; undefined when the excerpt is true
 */
export function missingPiece(excerpt: string, file: string): string | undefined {
  let from = 0;
  for (const piece of excerpt.split(LEFT_OUT)) {
    const at = `\n${file}`.indexOf(`\n${piece}`, from);
    if (at < 0) return piece;
    from = at + piece.length;
  }
  return undefined;
}
