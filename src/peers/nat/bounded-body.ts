/** The whole body of an answer of somebody who is not trusted; its connection is let go in any case. @throws when it is longer */
export async function readBody(response: Response, limitBytes: number, whose: string): Promise<Buffer> {
  const reader = (response.body as ReadableStream<Uint8Array> | null)?.getReader();
  if (reader === undefined) return Buffer.alloc(0);
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return Buffer.concat(parts);
      sizeBytes += value.byteLength;
      if (sizeBytes > limitBytes) throw new Error(`${whose} answer has more than ${limitBytes} bytes`);
      parts.push(value);
    }
  } finally {
    // What is not read would hold its connection; after the end this does nothing.
    await reader.cancel().catch(() => {});
  }
}
