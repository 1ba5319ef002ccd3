import { call, init, protocol } from "../actor/index.ts";

/**
 * Work on other peers, in both directions: tasks of this node's queue that peers carry out, and tasks of peers that are
 * carried out here. Nobody may run anything here until a grant says so.
 */

export interface RemoteInit {
  /** Null: networking is off. */
  readonly directory: string | null;
  readonly on: boolean;
  /** How long a peer may be silent before its tasks are run elsewhere. */
  readonly leaseMs: number;
  /** Tasks of peers that run here at once, of all together. */
  readonly servedMax: number;
  /** Large values of both directions are here; null: none can travel. */
  readonly blobDirectory: string | null;
}

/** In a grant, in the place of a name: any. */
export const ANY_NAME = "*";

/** What a peer may do here. */
export interface GrantTerms {
  readonly peerId: string;
  /** Actions that it may run; `*` is any. Empty: none. */
  readonly actions: readonly string[];
  /** Tools that it may call over MCP; `*` is any that this node offers to peers and that destroys nothing. Empty: none. */
  readonly tools: readonly string[];
  /** Tasks at once. */
  readonly concurrency: number;
  /** Starts per minute. */
  readonly perMinute: number;
  /** Bytes of one input or output, large values included. */
  readonly bytesMax: number;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
}

export interface Grant extends GrantTerms {
  readonly grantId: string;
  readonly issuedAtMs: number;
  /** Null: it holds. */
  readonly revokedAtMs: number | null;
  /** Since this life began. */
  readonly running: number;
  readonly started: number;
  /** By why. */
  readonly refused: Readonly<Record<string, number>>;
}

/** A peer whose grant this node holds, so that its tasks may go there. */
export interface Outlet {
  readonly peerId: string;
  readonly actions: readonly string[];
  readonly tools: readonly string[];
  readonly concurrency: number;
  readonly expiresAtMs: number;
  readonly connected: boolean;
  /** Tasks of ours that it has now. */
  readonly running: number;
  readonly completed: number;
  readonly failed: number;
  /** Given back, or lost with the peer: they run elsewhere. */
  readonly returned: number;
  /** Why nothing goes there now; null: it may. */
  readonly held: string | null;
}

export type Authorization =
  | { readonly ok: true; readonly grantId: string; readonly tools: readonly string[] }
  | { readonly ok: false; readonly why: string };

export const Remote = protocol("remote", {
  init: init<RemoteInit>(),
  /** Lets a peer in, in place of its earlier grant. The token is for that peer alone: to another it is worth nothing. */
  grant: call<{ terms: GrantTerms }, { grantId: string; token: string }>(),
  /** What the peer has running here is stopped, and its token is worth nothing any more. */
  revoke: call<{ peerId: string }, { revoked: number; stopped: number }>(),
  grants: call<void, { grants: Grant[] }>(),
  /**
   * Takes a token that a peer has issued for this node. From then on tasks may go there while it is connected; of a peer that
   * is, the answer tells what it lets this node run, unless it takes long. Rejects with `TOKEN_INVALID`.
   */
  use: call<{ token: string }, Outlet>(),
  /** Nothing goes there any more; what it has is given back. */
  drop: call<{ peerId: string }, { returned: number }>(),
  outlets: call<void, { outlets: Outlet[] }>(),
  /** May the peer call tools here? Counted. */
  authorize: call<{ peerId: string; tool: string | null }, Authorization>(),
  /** Refusals since this life began, newest first, and how many of each kind there were. */
  refusals: call<
    { limit: number },
    { latest: { atMs: number; peerId: string; why: string }[]; counts: Record<string, number> }
  >(),
});
