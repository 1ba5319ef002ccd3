import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

export interface StandInOptions {
  /** What it speaks. */
  readonly speaks: "pcp" | "nat_pmp";
  /** How it meets PCP when it speaks NAT-PMP: it says so, or says nothing. */
  readonly onPcp?: "says" | "silent";
  readonly outside?: string;
  readonly lifetimeS?: number;
  /** A result other than 0, with which everything is refused. */
  readonly result?: number;
  /** The outer port that it gives instead of the wanted one. */
  readonly gives?: number;
  /** Requests that it does not hear. */
  readonly deafFor?: number;
}

/** A gateway that speaks PCP or NAT-PMP, with the ports that it has given. Written from the standards, apart from the client. */
export class StandInGateway implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #options: StandInOptions;
  /** Outer port to inner port. */
  readonly given = new Map<number, number>();
  readonly nonces = new Set<string>();
  requests = 0;

  private constructor(socket: Socket, options: StandInOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on("message", (bytes, { port, address }) => {
      this.requests += 1;
      if (this.requests <= (options.deafFor ?? 0)) return;
      const answer = bytes[0] === 2 ? this.#pcp(bytes) : this.#pmp(bytes);
      if (answer !== null) socket.send(answer, port, address);
    });
  }

  static async open(options: StandInOptions, port = 0, address = "127.0.0.1"): Promise<StandInGateway> {
    const socket = createSocket("udp4");
    socket.bind(port, address);
    await once(socket, "listening");
    return new StandInGateway(socket, options);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await once(this.#socket, "close");
  }

  #give(inner: number, wanted: number, lifetimeS: number): number {
    if (lifetimeS === 0) {
      for (const [outer, each] of this.given) if (each === inner) this.given.delete(outer);
      return 0;
    }
    const outer = this.#options.gives ?? wanted;
    this.given.set(outer, inner);
    return outer;
  }

  /** @see https://www.rfc-editor.org/rfc/rfc6886#section-3 */
  #pmp(request: Buffer): Buffer | null {
    const { result = 0, outside = "8.8.4.4", lifetimeS = 7_200 } = this.#options;
    const operation = request[1] ?? 0;
    if (operation === 0) {
      const answer = Buffer.alloc(12);
      answer[1] = 128;
      answer.writeUInt16BE(result, 2);
      answer.set(outside.split(".").map(Number), 8);
      return answer;
    }
    if (operation !== 2 || request.length !== 12) return null;
    const answer = Buffer.alloc(16);
    const asked = request.readUInt32BE(8);
    const inner = request.readUInt16BE(4);
    answer[1] = 130;
    answer.writeUInt16BE(result, 2);
    answer.writeUInt16BE(inner, 8);
    answer.writeUInt16BE(result === 0 ? this.#give(inner, request.readUInt16BE(6), asked) : 0, 10);
    answer.writeUInt32BE(Math.min(asked, lifetimeS), 12);
    return answer;
  }

  /** @see https://www.rfc-editor.org/rfc/rfc6887#section-11 */
  #pcp(request: Buffer): Buffer | null {
    const { speaks, onPcp = "says", result = 0, outside = "8.8.4.4", lifetimeS = 7_200 } = this.#options;
    if (speaks === "nat_pmp") {
      // RFC 6886, 3.5: version 0, and the operation with the bit of an answer.
      return onPcp === "silent" ? null : Buffer.from([0, 129, 0, 1, 0, 0, 0, 0]);
    }
    if (request.length !== 60 || request[1] !== 1 || request[36] !== 6) return null;
    this.nonces.add(request.toString("hex", 24, 36));
    const asked = request.readUInt32BE(4);
    const inner = request.readUInt16BE(40);
    const answer = Buffer.from(request);
    answer[1] = 0x81;
    answer[2] = 0;
    answer[3] = result;
    answer.writeUInt32BE(Math.min(asked, lifetimeS), 4);
    answer.fill(0, 8, 24);
    answer.writeUInt16BE(result === 0 ? this.#give(inner, request.readUInt16BE(42), asked) : 0, 42);
    answer.set(Buffer.from("00000000000000000000ffff", "hex"), 44);
    answer.set(outside.split(".").map(Number), 56);
    return answer;
  }
}
