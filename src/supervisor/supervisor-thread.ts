import type { MessagePort } from "node:worker_threads";
import { systemClock } from "../scope/index.ts";
import { attachMetrics } from "../telemetry/index.ts";
import { exposeControl, wrapControl } from "./control.ts";
import { childMaker } from "./child-maker.ts";
import { SUPERVISOR_METHODS, Supervisor, type HostSide, type SupervisorApi } from "./supervisor.ts";
import type { Intensity, Strategy } from "./supervisor.core.ts";
import { threadLog } from "./thread-log.ts";

/** What the supervisor's thread is born with. */
export interface SupervisorThreadData {
  /**
   * The program asks here, and the supervisor tells: on one channel, so that the news that an actor is up or gone
   * always comes before the answer to what caused it.
   */
  readonly control: MessagePort;
  readonly hostBell: SharedArrayBuffer;
  readonly presence: SharedArrayBuffer;
  readonly metrics: SharedArrayBuffer;
  readonly strategy: Strategy;
  readonly intensity: Intensity;
}

const HOST_METHODS = ["connect", "disconnect", "dismiss", "gaveUp"] as const;

/**
 * The supervisor on its own thread: a blocked event loop in the program stops no restart and no lease. Actors' threads
 * are children of this one and end with it, so nothing is left behind even when it is terminated.
 */
export function runSupervisorThread(data: SupervisorThreadData): void {
  const supervisor = new Supervisor({
    strategy: data.strategy,
    intensity: data.intensity,
    clock: systemClock,
    log: threadLog("supervisor"),
    metrics: attachMetrics(data.metrics),
    host: quiet(wrapControl<HostSide>(data.control, HOST_METHODS)),
    hostBell: data.hostBell,
    makeChild: childMaker(data.presence),
  });
  const api: SupervisorApi = Object.fromEntries(
    SUPERVISOR_METHODS.map((name) => [name, (supervisor[name] as () => unknown).bind(supervisor)]),
  ) as unknown as SupervisorApi;
  exposeControl(api, data.control);
}

/** The supervisor tells the program and does not wait for it; a program that has ended hears nothing any more. */
function quiet(host: {
  [K in keyof HostSide]: (...args: Parameters<HostSide[K]>) => Promise<void>;
}): HostSide {
  const told = (answer: Promise<void>): void => void answer.catch(() => undefined);
  return {
    connect: (link) => told(host.connect(link)),
    disconnect: (linkId, reason) => told(host.disconnect(linkId, reason)),
    dismiss: (callee, reason) => told(host.dismiss(callee, reason)),
    gaveUp: (reason) => told(host.gaveUp(reason)),
  };
}
