import * as Comlink from "comlink";
import type { MessagePort } from "node:worker_threads";
import { fromWireError, toWireError, type WireError } from "../errors/index.ts";

/**
 * The control channel of a thread: start, stop, health, links. Rare, convenient, typed; no task and no result ever
 * passes here. Comlink turns method calls into messages, but loses what an error is, so both sides pass outcomes.
 */

type Outcome = { readonly ok: unknown } | { readonly error: WireError };
type Method = (...args: never[]) => unknown;
/** An interface of methods only. */
export type Api<T> = { readonly [K in keyof T]: T[K] extends Method ? T[K] : never };

/** What the other side holds: every method waits for the answer. */
export type Remote<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never;
};

export function exposeControl<T extends Api<T>>(api: T, port: MessagePort): void {
  const outcomes: Record<string, (...args: never[]) => Promise<Outcome>> = {};
  for (const [name, method] of Object.entries<Method>(api)) {
    outcomes[name] = async (...args) => {
      try {
        return { ok: await method(...args) };
      } catch (error) {
        return { error: toWireError(error) };
      }
    };
  }
  Comlink.expose(outcomes, endpointOf(port));
}

/** @param methods the names that may be called; Comlink itself would invent any */
export function wrapControl<T extends Api<T>>(
  port: MessagePort,
  methods: readonly (keyof T & string)[],
): Remote<T> {
  const outcomes = Comlink.wrap<Record<string, (...args: unknown[]) => Promise<Outcome>>>(endpointOf(port));
  const remote: Record<string, (...args: unknown[]) => Promise<unknown>> = {};
  for (const name of methods) {
    remote[name] = async (...args) => {
      const outcome = await outcomes[name]?.(...args);
      if ("error" in outcome) throw fromWireError(outcome.error);
      return outcome.ok;
    };
  }
  return Object.freeze(remote) as Remote<T>;
}

/**
 * A port as Comlink wants one. Listening with `on` instead of `addEventListener` keeps Node from making an event object
 * of each message, for whose class it loads its HTTP client: 25 to 200 ms and some megabytes for every thread.
 */
function endpointOf(port: MessagePort): Comlink.Endpoint {
  type Listener = Parameters<Comlink.Endpoint["addEventListener"]>[1];
  const listeners = new Map<Listener, (data: unknown) => void>();
  return {
    postMessage: (message: unknown) => port.postMessage(message),
    addEventListener(_type, listener) {
      const listen = (data: unknown): void => {
        // Comlink reads nothing else of an event, and passes functions.
        const tell = listener as (event: { readonly data: unknown }) => void;
        tell({ data });
      };
      listeners.set(listener, listen);
      port.on("message", listen);
    },
    removeEventListener(_type, listener) {
      const listen = listeners.get(listener);
      if (listen) port.off("message", listen);
      listeners.delete(listener);
    },
    start: () => port.start(),
  };
}
