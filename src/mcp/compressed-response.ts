import { LIMITS } from "../errors/index.ts";

/**
 * An answer in gzip, where its reader takes that and it is worth it. A stream of events stays as it is: a compressor
 * would hold back what is to be seen now.
 *
 * @param accepted the header `Accept-Encoding` of the request
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
 */
export async function compressed(response: Response, accepted: string | null): Promise<Response> {
  const type = response.headers.get("content-type") ?? "";
  if (response.body === null || !type.startsWith("application/json") || !takesGzip(accepted)) return response;
  const body = await response.arrayBuffer();
  const { status, headers: own } = response;
  const headers = new Headers(own);
  headers.append("vary", "accept-encoding");
  if (body.byteLength < LIMITS.mcp.httpCompressBytes) return new Response(body, { status, headers });
  headers.set("content-encoding", "gzip");
  headers.delete("content-length");
  const packed = new Blob([body]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Response(packed, { status, headers });
}

/** `gzip` or `*`, with any weight but none. */
function takesGzip(accepted: string | null): boolean {
  return (accepted ?? "").split(",").some((each) => {
    const [coding, ...parameters] = each.split(";").map((part) => part.trim().toLowerCase());
    const isRefused = parameters.some((parameter) => /^q=0(?:\.0{0,3})?$/.test(parameter));
    return (coding === "gzip" || coding === "*") && !isRefused;
  });
}
