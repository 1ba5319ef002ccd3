import { ActorRuntime, checkHandshake, type ActorServices, type BellOf, type Link } from "../actor/index.ts";
import { fault, fromWireError, type WireError } from "../errors/index.ts";
import { importBehaviour, type Child, type ChildSpec, type OnEnd } from "./child.ts";

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
  #runtime: ActorRuntime | undefined;
  #links: ((runtime: ActorRuntime) => void)[] = [];
  #ended = false;

  constructor(
    name: string,
    place: { readonly services: ActorServices; readonly bell: SharedArrayBuffer | null; readonly bellOf: BellOf },
    onEnd: OnEnd,
  ) {
    this.#name = name;
    this.#services = place.services;
    this.bell = place.bell;
    this.#bellOf = place.bellOf;
    this.#onEnd = onEnd;
  }

  async start(spec: ChildSpec, epoch: number): Promise<void> {
    const behaviour = await importBehaviour(spec.module).catch((error: unknown) => {
      throw fault("ACTOR_START_FAILED", { actor: this.#name, why: String(error) }, { cause: error });
    });
    checkHandshake(this.#name, spec.handshake, behaviour.protocol);
    if (this.#ended) throw fault("ACTOR_STOPPED", { actor: this.#name });
    const runtime = new ActorRuntime({
      name: this.#name,
      epoch,
      behaviour,
      services: this.#services,
      bellOf: this.#bellOf,
      crash: (defect) => {
        runtime.kill();
        if (this.#ended) return;
        this.#ended = true;
        // Never within the handler that crashed: a thread's death is not synchronous either.
        this.#services.scheduler.schedule(() => this.#onEnd(defect));
      },
    });
    this.#runtime = runtime;
    for (const attach of this.#links.splice(0)) attach(runtime);
    await runtime.start(spec.init);
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

  async stop(): Promise<void> {
    this.#ended = true;
    await this.#runtime?.stop();
  }

  async kill(): Promise<void> {
    this.#runtime?.kill();
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd(fault("UNAVAILABLE", { what: this.#name, why: "it was killed" }));
  }

  #attach(act: (runtime: ActorRuntime) => void): void {
    if (this.#ended) return;
    if (this.#runtime) act(this.#runtime);
    else this.#links.push(act);
  }
}
