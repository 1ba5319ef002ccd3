import type { Stream } from "@libp2p/interface";
import { sentenceOf } from "../../errors/index.ts";
import { guarded } from "./guarded.ts";
import type { LinkEnd } from "./link-end.ts";
import type { ByteStream } from "./outbox.ts";

/** A stream of libp2p as a link writes to it. */
export function byteStreamOf(stream: Stream): ByteStream {
  return {
    send: (bytes) => stream.send(bytes),
    abort: (why) => stream.abort(why),
    close: () => void closeSoon(stream),
  };
}

/** Half-closed when what was sent has left; reset when that takes too long. */
export async function closeSoon(stream: Stream): Promise<void> {
  try {
    await stream.close({ signal: AbortSignal.timeout(CLOSE_MS) });
  } catch (error) {
    stream.abort(errorOf(error));
  }
}

/** What a stream of libp2p tells, and who is told. */
export interface StreamEars {
  bytes(chunk: Uint8Array): void;
  drained(): void;
  /** The other side sends no more; it may still read. */
  finished(): void;
  /** It can be used no more. */
  closed(why: string | null): void;
  /** A bug of ours. It must not leave the listener: libp2p would let it end the thread. */
  defect(error: unknown): void;
}

const CLOSE_MS = 5_000;

/** From now on; what has come already is told in the next turn. */
export function listenTo(stream: Stream, ears: StreamEars): void {
  const hear = <Heard>(each: (event: Heard) => void): ((event: Heard) => void) =>
    guarded(each, (error) => {
      ears.defect(error);
      stream.abort(errorOf(error));
    });
  stream.addEventListener(
    "message",
    hear(({ data }) => {
      if (data instanceof Uint8Array) ears.bytes(data);
      else for (const chunk of data) ears.bytes(chunk);
    }),
  );
  stream.addEventListener(
    "drain",
    hear(() => ears.drained()),
  );
  stream.addEventListener(
    "remoteCloseWrite",
    hear(() => ears.finished()),
  );
  stream.addEventListener(
    "close",
    hear(({ error }) => ears.closed(error === undefined ? null : sentenceOf(error))),
  );
}

/** A link lives on the stream until either ends. */
export function carryLink(stream: Stream, link: LinkEnd, defect: (error: unknown) => void): void {
  listenTo(stream, {
    bytes: (chunk) => link.receive(chunk),
    drained: () => link.drained(),
    finished: () => {
      link.end("the peer has closed its stream of requests");
      void closeSoon(stream);
    },
    closed: (why) => link.end(why ?? "its stream was closed"),
    defect: (error) => {
      defect(error);
      link.end("of a bug on this side");
    },
  });
}

/** Some of libp2p's promises reject with an event that holds the error. */
export function errorOf(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  const { error } = (thrown ?? {}) as { error?: unknown };
  return error instanceof Error ? error : new Error(sentenceOf(thrown));
}
