import { workerData } from "node:worker_threads";
import { runSupervisorThread, type SupervisorThreadData } from "../src/supervisor/supervisor-thread.ts";

/** The supervisor's own thread starts here. */
runSupervisorThread(workerData as SupervisorThreadData);
