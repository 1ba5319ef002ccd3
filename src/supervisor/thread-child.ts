import { MessageChannel, Worker, type MessagePort } from "node:worker_threads";
import { workerModule, type Link } from "../actor/index.ts";
import { LIMITS, fault, isFault, sentenceOf, type WireError } from "../errors/index.ts";
import { Presence, createBell } from "../ring/index.ts";
import type { Clock } from "../scope/index.ts";
import { ACTOR_THREAD_METHODS, type ActorThreadControl, type ActorThreadData } from "./actor-thread.ts";
import type { Child, ChildSpec, OnEnd } from "./child.ts";
import { wrapControl, type Remote } from "./control.ts";
import { Waits } from "./waits.ts";

/** An actor on a thread of its own. The thread starts loading when this is made. */
export class ThreadChild implements Child {
  readonly bell = createBell();
  readonly #name: string;
  readonly #waits: Waits;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #remote: Remote<ActorThreadControl>;
  readonly #exited = Promise.withResolvers<void>();
  readonly #onEnd: OnEnd;
  readonly #presence: Presence;
  #shutdownMs = 0;
  #wanted = true;
  #reason: unknown;

  constructor(
    { name, module, metrics, slot, youngHeapMb }: ChildSpec,
    presence: SharedArrayBuffer,
    clock: Clock,
    onEnd: OnEnd,
  ) {
    this.#name = name;
    this.#waits = new Waits(name, clock);
    this.#onEnd = onEnd;
    this.#presence = new Presence(presence, slot);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#remote = wrapControl<ActorThreadControl>(port1, ACTOR_THREAD_METHODS);
    const workerData: ActorThreadData = {
      name,
      module,
      control: port2,
      bell: this.bell,
      metrics,
      presence,
      slot,
    };
    this.#worker = new Worker(workerModule("host"), {
      name,
      workerData,
      transferList: [port2],
      resourceLimits: youngHeapMb === null ? {} : { maxYoungGenerationSizeMb: youngHeapMb },
      // Whatever an actor or its dependencies print belongs on standard error: standard output may be a protocol.
      stdout: true,
    });
    this.#worker.stdout.on("data", (chunk: Buffer) => process.stderr.write(chunk));
    this.#worker.on("error", (error) => {
      this.#reason = error;
    });
    this.#worker.on("exit", (code) => this.#end(code));
  }

  async start(spec: ChildSpec, epoch: number): Promise<void> {
    this.#shutdownMs = spec.shutdownMs;
    try {
      await this.#waits.within(spec.startTimeoutMs, "its setup", this.#remote.start(spec, epoch));
    } catch (error) {
      if (isFault(error, "DEADLINE_EXCEEDED")) await this.#terminate();
      throw error;
    }
  }

  accept(link: Link): Promise<void> {
    return this.#quietly(this.#remote.accept(link));
  }

  connect(link: Link): Promise<void> {
    return this.#quietly(this.#remote.connect(link));
  }

  disconnect(linkId: number, reason: WireError): Promise<void> {
    return this.#quietly(this.#remote.disconnect(linkId, reason));
  }

  dismiss(callee: string, reason: WireError): Promise<void> {
    return this.#quietly(this.#remote.dismiss(callee, reason));
  }

  health(): Promise<Record<string, unknown>> {
    return this.#waits.within(LIMITS.supervisor.answerMs, "its health", this.#remote.health());
  }

  async stop(): Promise<void> {
    this.#wanted = false;
    await this.#waits.within(this.#shutdownMs, "its stop", this.#remote.stop()).catch(() => undefined);
    await this.#terminate();
  }

  async kill(): Promise<void> {
    await this.#worker.terminate();
    await this.#exited.promise;
  }

  async #terminate(): Promise<void> {
    this.#wanted = false;
    await this.kill();
  }

  /** To a thread that has died meanwhile, nothing needs to be said. */
  async #quietly(answer: Promise<void>): Promise<void> {
    await this.#waits.within(LIMITS.supervisor.answerMs, "a link", answer).catch(() => undefined);
  }

  #end(code: number): void {
    // Code 0 and no error: the actor ended its thread itself, and means well.
    const well = code === 0 && this.#reason === undefined;
    this.#reason ??= fault("UNAVAILABLE", {
      what: `the thread of ${this.#name}`,
      why: `it exited with code ${code}`,
    });
    this.#port.close();
    // A thread that died awake would count as awake for ever.
    this.#presence.awake = false;
    this.#exited.resolve();
    const why = `its thread ended: ${sentenceOf(this.#reason)}`;
    this.#waits.end(fault("ACTOR_START_FAILED", { actor: this.#name, why }));
    if (this.#wanted) this.#onEnd(well ? undefined : this.#reason);
  }
}
