/**
 * Text for pictures, in which every character can be seen and is allowed: control characters as their signs (a line break
 * as `␊`), halves of surrogate pairs as `�`, and signs that turn the direction of what follows as their numbers.
 */
export const visibleText = (text: string): string =>
  text.toWellFormed().replace(UNSEEN, (sign) => {
    const code = sign.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    return `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
  });

/** C0 and C1 controls, separators of lines, and the marks of direction. @see https://trojansource.codes */
// oxlint-disable-next-line no-control-regex -- control characters are what it is for
const UNSEEN = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]/g;
