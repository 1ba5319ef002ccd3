import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { LIMITS, fault, sentenceOf } from "../errors/index.ts";

const CHARS_MAX = 4_096;

/** What requests must bear. The token itself is not kept. */
export interface BearerToken {
  /** @param authorization the header of that name @see https://www.rfc-editor.org/rfc/rfc6750#section-2.1 */
  isIn(authorization: string | undefined): boolean;
}

/**
 * Of the first line of a file, which nobody but its owner should be able to read.
 *
 * @throws FILE_UNREADABLE, also for a token that is too short to be one
 */
export function tokenFrom(path: string): BearerToken {
  let token: string;
  try {
    token = (readFileSync(path, "utf8").split("\n", 1)[0] ?? "").trim();
  } catch (error) {
    throw fault("FILE_UNREADABLE", { path, why: sentenceOf(error) }, { cause: error });
  }
  const { tokenChars } = LIMITS.mcp;
  // What a header can carry. @see https://www.rfc-editor.org/rfc/rfc6750#section-2.1 (b64token)
  const isSound = token.length >= tokenChars && token.length <= CHARS_MAX && /^[\w.~+/-]+=*$/.test(token);
  if (isSound) return bearerToken(token);
  const why = `its first line is no token: ${tokenChars} to ${CHARS_MAX} letters, digits and -._~+/, with = at the end`;
  throw fault("FILE_UNREADABLE", { path, why });
}

export function bearerToken(token: string): BearerToken {
  const expected = digest(token);
  return {
    isIn(authorization = "") {
      const [, given = ""] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
      // Digests are of one length, so that the time tells nothing of the token, nor of its length.
      return timingSafeEqual(digest(given), expected);
    },
  };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
