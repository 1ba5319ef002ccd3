import type { ActorContext, InitOf } from "../actor/index.ts";
import type { Queue } from "./queue.protocol.ts";

type Members = typeof Queue.members;

/** What the queue's actor is given by whoever runs it, and what it was spawned with. */
export type QueueContext = ActorContext<Members>;
export type QueueInit = InitOf<Members>;
