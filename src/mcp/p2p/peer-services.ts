import type { Implementation } from "@modelcontextprotocol/server";
import type { Clock } from "../../scope/index.ts";
import type { Log } from "../../telemetry/index.ts";
import type { Advertisement } from "./advertisement.ts";
import type { PeerCounts } from "./peer-figures.ts";
import type { PeerLimits } from "./peer-limits.ts";
import type { TaskQueueRpc } from "./task-queue-rpc.ts";
import type { ToolShelf } from "./tool-shelf.ts";

/** May this peer call this tool, or, with null, any at all? `tools` is all that it may call; `*` is whatever is offered. */
export type Authorize = (
  peerId: string,
  tool: string | null,
) => Promise<
  { readonly ok: true; readonly tools: readonly string[] } | { readonly ok: false; readonly why: string }
>;

/** What all streams of one server share. */
export interface PeerServices {
  readonly identity: Implementation;
  readonly shelf: ToolShelf;
  /** Undefined: it is off. */
  readonly taskQueue: TaskQueueRpc | undefined;
  readonly authorize: Authorize;
  readonly advertisement: Advertisement;
  readonly limits: PeerLimits;
  readonly counts: PeerCounts;
  readonly clock: Clock;
  readonly log: Log;
}
