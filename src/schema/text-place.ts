/**
 * Where a character of a text stands, line and column from 1. Lines end with a line feed.
 *
 * @param offset from 0 to the length of the text, which is the place right behind its end
 */
export function placeOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  let line = 1;
  let start = 0;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", start)) {
    line += 1;
    start = at + 1;
  }
  return { line, column: offset - start + 1 };
}
