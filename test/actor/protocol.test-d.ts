/**
 * What the compiler promises about actors. Nothing here runs: that this file compiles is the test, and every line that
 * must not compile says so, next to its twin that must.
 */
import { actor, call, cast, event, init, protocol, type Ref, type RefOf } from "../../src/actor/index.ts";
import type { SupervisorHandle } from "../../src/supervisor/index.ts";

const Shop = protocol("shop", {
  init: init<{ stock: number }>(),
  buy: call<{ count: number }, { left: number }>(),
  left: call<void, number>(),
  close: cast(),
  restock: cast<{ count: number }>(),
  sold: event<{ count: number }>(),
  closed: event(),
});
const Bare = protocol("bare", { ping: call() });

declare const shop: RefOf<typeof Shop>;
declare const bare: RefOf<typeof Bare>;
declare const supervisor: SupervisorHandle;
const module = "file:///shop.ts";

// --- parameters and results -------------------------------------------------------------------------------------------
shop.call.buy({ count: 1 }) satisfies Promise<{ left: number }>;
// @ts-expect-error wrong type of a parameter
void shop.call.buy({ count: "1" });
// @ts-expect-error a parameter is missing
void shop.call.buy({});
// @ts-expect-error all parameters are missing
void shop.call.buy();
// @ts-expect-error one parameter too many
void shop.call.buy({ count: 1, colour: "red" });
// @ts-expect-error another result
shop.call.buy({ count: 1 }) satisfies Promise<number>;
// @ts-expect-error no such call
void shop.call.sell({ count: 1 });

shop.call.left() satisfies Promise<number>;
void shop.call.left(undefined, { timeoutMs: 10 });
// @ts-expect-error a call without parameters takes none
void shop.call.left({ count: 1 });
bare.call.ping() satisfies Promise<void>;

// --- options ----------------------------------------------------------------------------------------------------------
void shop.call.buy({ count: 1 }, { timeoutMs: 10, signal: new AbortController().signal, traceparent: "00" });
// @ts-expect-error no such option
void shop.call.buy({ count: 1 }, { timeout: 10 });
// @ts-expect-error a time-out is a number
void shop.call.buy({ count: 1 }, { timeoutMs: "10" });

// --- casts --------------------------------------------------------------------------------------------------------------
shop.cast.restock({ count: 1 }) satisfies boolean;
shop.cast.close() satisfies boolean;
// @ts-expect-error nobody answers a cast
shop.cast.close() satisfies Promise<unknown>;
// @ts-expect-error wrong type of a parameter
shop.cast.restock({ count: "1" });
// @ts-expect-error the parameter is missing
shop.cast.restock();
// @ts-expect-error a cast without parameters takes none
shop.cast.close({ count: 1 });
// @ts-expect-error a call is no cast
shop.cast.buy({ count: 1 });
// @ts-expect-error a cast is no call
void shop.call.close();

// --- events -------------------------------------------------------------------------------------------------------------
shop.on.sold({ buffer: 8 }) satisfies AsyncIterableIterator<{ count: number }>;
// @ts-expect-error another payload
shop.on.sold() satisfies AsyncIterableIterator<{ count: string }>;
// @ts-expect-error no such option
shop.on.sold({ size: 8 });
// @ts-expect-error a call is no event
shop.on.buy();

// --- what can cross -------------------------------------------------------------------------------------------------------
void call<{ at: Date; data: Uint8Array; tags: readonly string[] }, bigint>();
// @ts-expect-error a function in the parameters
void call<{ done: () => void }>();
// @ts-expect-error a function in the result
void call<void, () => void>();
// @ts-expect-error a class instance
void cast<{ items: Map<string, number> }>();
// @ts-expect-error a promise
void event<Promise<number>>();
// @ts-expect-error something unknown
void init<{ anything: unknown }>();

// --- behaviours -------------------------------------------------------------------------------------------------------
actor(Shop, ({ emit, name, epoch }, { stock }) => {
  let left = stock satisfies number;
  emit.sold({ count: epoch });
  emit.closed();
  // @ts-expect-error wrong payload
  emit.sold({ count: name });
  // @ts-expect-error the payload is missing
  emit.sold();
  // @ts-expect-error an event without a payload takes none
  emit.closed({ count: 1 });
  // @ts-expect-error no such event
  emit.bought({ count: 1 });
  return {
    buy({ count }, { signal, caller }) {
      signal.throwIfAborted();
      caller satisfies string;
      left -= count satisfies number;
      return { left };
    },
    left: async () => left,
    close: () => undefined,
    restock: ({ count }) => void (left += count),
  };
});
// An async setup is a setup.
actor(Bare, async () => ({ ping: () => undefined }));
// @ts-expect-error the wrong result
actor(Bare, () => ({ ping: () => 1 }));
// @ts-expect-error the wrong result, later
actor(Bare, () => ({ ping: async () => 1 }));
// @ts-expect-error a handler is missing
actor(Bare, () => ({}));
// The compiler lets a handler that nobody asked for pass: an actor that has one does not start (see runtime.test.ts).
actor(Bare, () => ({ ping: () => undefined, pong: () => undefined }));
// @ts-expect-error a handler that needs another parameter
actor(Bare, () => ({ ping: (params: { count: number }) => void params }));
// @ts-expect-error a protocol without init gives its setup none
actor(Bare, (_, { stock }) => ({ ping: () => void stock }));

// --- spawn ----------------------------------------------------------------------------------------------------------------
supervisor.spawn(Shop, { module, init: { stock: 1 } }) satisfies Promise<RefOf<typeof Shop>>;
supervisor.spawn(Bare, { module }) satisfies Promise<Ref>;
void supervisor.spawn(Shop, {
  module,
  init: { stock: 1 },
  restart: "transient",
  calls: ["bank"],
  placement: "inline",
});
// @ts-expect-error the init is missing
void supervisor.spawn(Shop, { module });
// @ts-expect-error wrong type in the init
void supervisor.spawn(Shop, { module, init: { stock: "1" } });
// @ts-expect-error the init has one field too many
void supervisor.spawn(Shop, { module, init: { stock: 1, colour: "red" } });
// @ts-expect-error a protocol without init takes none
void supervisor.spawn(Bare, { module, init: { stock: 1 } });
// @ts-expect-error the module is missing
void supervisor.spawn(Bare, {});
// @ts-expect-error no such restart type
void supervisor.spawn(Bare, { module, restart: "always" });
// @ts-expect-error no such option
void supervisor.spawn(Bare, { module, thread: true });
// @ts-expect-error another protocol's ref
supervisor.spawn(Bare, { module }) satisfies Promise<RefOf<typeof Shop>>;

// --- refs -------------------------------------------------------------------------------------------------------------------
// @ts-expect-error a ref is frozen
shop.name = "other";
// @ts-expect-error and so are its parts
shop.call.left = bare.call.ping;
