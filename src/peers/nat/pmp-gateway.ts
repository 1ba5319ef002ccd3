import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { Clock } from "../../scope/index.ts";
import {
  NONCE_BYTES,
  decodeGatewayAnswer,
  encodePcpMap,
  encodePmpAddress,
  encodePmpMap,
  type GatewayAnswer,
  type GatewayQuestion,
} from "./gateway-message.ts";
import { LEASE_S, type Gateway, type PortLease } from "./port-lease.ts";

/**
 * When a request is sent again, in milliseconds after the first time; the last is when it is given up. The standards go on
 * for a minute and more; a gateway in the same network that has not answered by then does not speak the protocol.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6886#section-3.1
 */
const SCHEDULE_MS = [0, 250, 750, 1_750] as const;

type Mapped = Extract<GatewayAnswer, { kind: "mapped" }>;

/**
 * A gateway that speaks PCP or NAT-PMP. The first request is one of PCP; a gateway that knows only its predecessor says so,
 * or nothing, and is asked in that.
 */
export class PmpGateway implements Gateway {
  readonly internalAddress: string;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #nonce = randomBytes(NONCE_BYTES);
  #heard: ((bytes: Uint8Array) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;
  #speaks: "pcp" | "nat_pmp" = "pcp";
  #isClosed = false;

  private constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.internalAddress = socket.address().address;
    socket.on("message", (bytes) => this.#heard?.(bytes));
    // Such as that nothing listens at the gateway's port.
    socket.on("error", (error) => this.#failed?.(error));
    socket.unref();
  }

  /** Nothing is sent. @throws when there is no way to the address */
  static async at(address: string, port: number, clock: Clock): Promise<PmpGateway> {
    const socket = createSocket("udp4");
    try {
      // Connected, so that packets of others are not even heard.
      socket.connect(port, address);
      await once(socket, "connect");
    } catch (error) {
      socket.close();
      throw error;
    }
    return new PmpGateway(socket, clock);
  }

  get kind(): "pcp" | "nat_pmp" {
    return this.#speaks;
  }

  async map(internalPort: number, wantedPort: number): Promise<PortLease> {
    const mapped = await this.#map(internalPort, wantedPort, LEASE_S);
    return {
      externalAddress: mapped.externalAddress ?? (await this.#address()),
      externalPort: mapped.externalPort,
      internalAddress: this.internalAddress,
      lifetimeS: mapped.lifetimeS,
    };
  }

  async release(internalPort: number, externalPort: number): Promise<void> {
    await this.#map(internalPort, externalPort, 0);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#failed?.(new Error("it was not waited for"));
    this.#socket.close();
  }

  async #map(internalPort: number, externalPort: number, lifetimeS: number): Promise<Mapped> {
    if (this.#speaks === "pcp") {
      const request = {
        nonce: this.#nonce,
        clientAddress: this.internalAddress,
        internalPort,
        externalPort,
        lifetimeS,
      };
      const question = { kind: "pcp_map", nonce: this.#nonce } as const;
      const answer = await this.#ask(encodePcpMap(request), question, internalPort);
      if (answer !== null && answer.kind !== "other_version") return asMapped(answer);
      this.#speaks = "nat_pmp";
    }
    const request = encodePmpMap(internalPort, externalPort, lifetimeS);
    return asMapped(await this.#ask(request, { kind: "pmp_map" }, internalPort));
  }

  async #address(): Promise<string> {
    const answer = await this.#ask(encodePmpAddress(), { kind: "pmp_address" });
    if (answer?.kind === "address") return answer.address;
    throw new Error(reasonOf(answer));
  }

  /** Null: no answer in time. One question at a time. */
  async #ask(
    request: Uint8Array,
    question: GatewayQuestion,
    internalPort?: number,
  ): Promise<GatewayAnswer | null> {
    if (this.#isClosed) throw new Error("it was not waited for");
    const { promise, resolve, reject } = Promise.withResolvers<GatewayAnswer | null>();
    this.#heard = (bytes) => {
      const answer = decodeGatewayAnswer(bytes, question);
      if (answer === null || (answer.kind === "mapped" && answer.internalPort !== internalPort)) return;
      resolve(answer);
    };
    this.#failed = reject;
    const startMs = this.#clock.now();
    const send = (): void => this.#socket.send(request, () => {});
    send();
    const timers = SCHEDULE_MS.slice(1, -1).map((afterMs) => this.#clock.at(startMs + afterMs, send));
    timers.push(this.#clock.at(startMs + (SCHEDULE_MS.at(-1) ?? 0), () => resolve(null)));
    try {
      return await promise;
    } finally {
      this.#heard = undefined;
      this.#failed = undefined;
      for (const timer of timers) timer.cancel();
    }
  }
}

function asMapped(answer: GatewayAnswer | null): Mapped {
  if (answer?.kind === "mapped") return answer;
  throw new Error(reasonOf(answer));
}

function reasonOf(answer: GatewayAnswer | null): string {
  if (answer === null) return "the gateway does not answer";
  return answer.kind === "refused" ? answer.why : "the gateway speaks another version";
}
