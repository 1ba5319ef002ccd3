/** Bytes to and from one peer, whoever carries them. The peer is the one that the connection has authenticated. */
export interface ByteStream {
  readonly peerId: string;
  /** The next bytes; null when the peer has said all, or the stream has been closed here. Rejects when it broke off. */
  read(): Promise<Uint8Array | null>;
  /** Resolves when there is room for more. Rejects when the stream broke off or has been closed. */
  write(bytes: Uint8Array): Promise<void>;
  /** Gracefully, what was written is sent; else the stream is reset. Ends a read that waits. Never rejects. */
  close(graceful: boolean): Promise<void>;
}

/** What is spoken on it. */
export const PEER_PROTOCOL = "/mcp+p2p/1.0.0";
