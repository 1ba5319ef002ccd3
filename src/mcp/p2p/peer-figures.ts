/** What happened since the server was opened. */
export interface PeerFigures {
  readonly sessionsStarted: number;
  readonly sessionsClosed: number;
  /** In which something was served: initialized, or spoken to statelessly. */
  readonly sessionsInitialized: number;
  /** Streams that were reset, because there were too many. */
  readonly sessionsRefused: number;
  readonly frames: number;
  readonly requests: number;
  /** Frames that were none, and streams that broke off within one. */
  readonly frameErrors: number;
  readonly rateLimited: number;
  readonly unauthorized: number;
  /** Frames that were no JSON-RPC, came before the handshake, or contradicted it. */
  readonly refused: number;
  readonly replayed: number;
  readonly timeouts: number;
  /** Streams that were cut off, because their peer did not read. */
  readonly slowReaders: number;
  readonly internalErrors: number;
}

export type PeerCount = keyof PeerFigures;

export type PeerCounts = Record<PeerCount, number>;

export const noCounts = (): PeerCounts => ({
  sessionsStarted: 0,
  sessionsClosed: 0,
  sessionsInitialized: 0,
  sessionsRefused: 0,
  frames: 0,
  requests: 0,
  frameErrors: 0,
  rateLimited: 0,
  unauthorized: 0,
  refused: 0,
  replayed: 0,
  timeouts: 0,
  slowReaders: 0,
  internalErrors: 0,
});
