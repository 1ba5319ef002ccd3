import type { IncomingMessage } from "node:http";
import type { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress, createGunzip } from "node:zlib";
import { fault } from "../../errors/index.ts";

/** What is asked for; an answer in another coding is refused. */
export const CODINGS = "gzip, br";

const DECODERS: Readonly<Record<string, (() => Transform) | null>> = {
  "": null,
  identity: null,
  gzip: createGunzip,
  "x-gzip": createGunzip,
  br: createBrotliDecompress,
};

/**
 * Reads the whole body of an answer to `method`, decompressed. It never holds more than `limitBytes` and a piece, however much comes
 * and however well it was compressed.
 *
 * @throws SIZE_EXCEEDED; the reason of the signal; else what the connection or the decoder throws
 */
export async function readBody(
  response: IncomingMessage,
  method: string,
  limitBytes: number,
  signal: AbortSignal,
): Promise<Buffer> {
  if (!hasBody(response, method)) return Buffer.alloc(0);
  const tooLarge = (): Error =>
    fault("SIZE_EXCEEDED", { what: "the body of the answer", limit: limitBytes, unit: "bytes" });
  const { "content-length": announced, "content-encoding": coding = "" } = response.headers;
  // It need not be true, but whoever announces too much is believed.
  if (Number(announced ?? 0) > limitBytes) throw tooLarge();
  const decoder = decoderOf(coding.trim().toLowerCase());

  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  const collect = async (stream: AsyncIterable<Buffer>): Promise<void> => {
    for await (const piece of stream) {
      sizeBytes += piece.byteLength;
      if (sizeBytes > limitBytes) throw tooLarge();
      pieces.push(piece);
    }
  };
  await (decoder === null
    ? pipeline(response, collect, { signal })
    : pipeline(response, decoder, collect, { signal }));
  return Buffer.concat(pieces, sizeBytes);
}

/** Such an answer may still tell how its body would be encoded, and a decoder takes an empty one for a broken one. */
function hasBody({ statusCode, headers }: IncomingMessage, method: string): boolean {
  const isBare = statusCode === 204 || statusCode === 304 || headers["content-length"] === "0";
  return method !== "HEAD" && !isBare;
}

function decoderOf(coding: string): Transform | null {
  const make = Object.hasOwn(DECODERS, coding) ? DECODERS[coding] : undefined;
  if (make === undefined) throw new Error(`its content encoding is ${JSON.stringify(coding)}`);
  return make === null ? null : make();
}

/**
 * The text that bytes are in the character set that they were sent with, or UTF-8. Null when they are none, or the
 * character set is not known.
 */
export function textOfBody(bytes: Buffer, contentType: string | undefined): string | null {
  const [, charset = "utf-8"] = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType ?? "") ?? [];
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
