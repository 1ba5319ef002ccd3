import { ActorRuntime, checkHandshake, type ActorServices, type BellOf, type Link } from "../actor/index.ts";
import { fault, fromWireError, isFault, toWireError, type WireError } from "../errors/index.ts";
import { importBehaviour, type Child, type ChildSpec, type OnEnd } from "./child.ts";
import { Waits } from "./waits.ts";

/**
 * An actor without a thread of its own. It has the same codec, rings, bounds and deadlines, and it is never called
 * synchronously; but a handler that blocks, blocks its supervisor, memory limits do not apply, and a killed actor's
 * promises run on, fenced off from everything.
 */
export class InlineChild implements Child {
  readonly bell: SharedArrayBuffer | null;
  readonly #name: string;
  readonly #services: ActorServices;
  readonly #bellOf: BellOf;
  readonly #onEnd: OnEnd;
  readonly #waits: Waits;
  #runtime: ActorRuntime | undefined;
  #links: ((runtime: ActorRuntime) => void)[] = [];
  #shutdownMs = 0;
  /** Stopped, killed or crashed: its supervisor knows, or is about to be told. */
  #ended = false;
  #stopped: Promise<void> | undefined;

  constructor(
    name: string,
    place: {
      readonly services: ActorServices;
      readonly bell: SharedArrayBuffer | null;
      readonly bellOf: BellOf;
    },
    onEnd: OnEnd,
  ) {
    this.#name = name;
    this.#services = place.services;
    this.bell = place.bell;
    this.#bellOf = place.bellOf;
    this.#onEnd = onEnd;
    this.#waits = new Waits(name, place.services.clock);
  }

  async start(spec: ChildSpec, epoch: number): Promise<void> {
    this.#shutdownMs = spec.shutdownMs;
    try {
      await this.#waits.within(spec.startTimeoutMs, "its setup", this.#start(spec, epoch));
    } catch (error) {
      if (isFault(error, "DEADLINE_EXCEEDED")) this.#over();
      // As it would come from a thread.
      throw fromWireError(toWireError(error));
    }
  }

  async #start(spec: ChildSpec, epoch: number): Promise<void> {
    const behaviour = await importBehaviour(spec.module).catch((error: unknown) => {
      throw fault("ACTOR_START_FAILED", { actor: this.#name, why: String(error) }, { cause: error });
    });
    checkHandshake(this.#name, spec.handshake, behaviour.protocol);
    if (this.#ended) return; // whoever ended it has ended this wait
    const runtime = new ActorRuntime({
      name: this.#name,
      epoch,
      behaviour,
      services: this.#services,
      bellOf: this.#bellOf,
      calls: spec.calls,
      shared: spec.shared,
      crash: (defect) => {
        if (this.#ended) return;
        this.#over();
        // Never within the handler that crashed: a thread's death is not synchronous either.
        this.#services.scheduler.schedule(() => this.#onEnd(defect));
      },
    });
    this.#runtime = runtime;
    for (const attach of this.#links.splice(0)) attach(runtime);
    // A copy, as a thread would get: what one life does to it must not be seen by the next.
    await runtime.start(structuredClone(spec.init));
  }

  async accept(link: Link): Promise<void> {
    this.#attach((runtime) => runtime.accept(link));
  }

  async connect(link: Link): Promise<void> {
    this.#attach((runtime) => runtime.connect(link));
  }

  async disconnect(linkId: number, reason: WireError): Promise<void> {
    this.#attach((runtime) => runtime.disconnect(linkId, fromWireError(reason)));
  }

  async dismiss(callee: string, reason: WireError): Promise<void> {
    this.#attach((runtime) => runtime.dismiss(callee, fromWireError(reason)));
  }

  async health(): Promise<Record<string, unknown>> {
    return this.#runtime?.health() ?? {};
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#ended = true;
    const orderly = this.#runtime?.stop() ?? Promise.resolve();
    await this.#waits.within(this.#shutdownMs, "its stop", orderly).catch(() => undefined);
    this.#over();
  }

  async kill(): Promise<void> {
    const expected = this.#ended;
    this.#over();
    if (!expected) this.#onEnd(fault("UNAVAILABLE", { what: this.#name, why: "it was killed" }));
  }

  /** From here on it does nothing, and nobody waits for it. */
  #over(): void {
    this.#ended = true;
    if (this.#runtime) this.#runtime.kill();
    else this.#services.poller.close();
    this.#waits.end(fault("ACTOR_STOPPED", { actor: this.#name }));
  }

  #attach(act: (runtime: ActorRuntime) => void): void {
    if (this.#ended) return;
    if (this.#runtime) act(this.#runtime);
    else this.#links.push(act);
  }
}
