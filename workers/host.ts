import { workerData } from "node:worker_threads";
import { runActorThread, type ActorThreadData } from "../src/supervisor/actor-thread.ts";

/** Every actor thread starts here. */
runActorThread(workerData as ActorThreadData);
