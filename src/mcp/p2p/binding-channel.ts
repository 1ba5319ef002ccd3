import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/server";

/** One binding's part of a stream, for the protocol's package: what is told there is for the session to send. */
export class BindingChannel implements Transport {
  onmessage?: (message: JSONRPCMessage) => void;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  readonly #told: (message: JSONRPCMessage) => void;

  constructor(told: (message: JSONRPCMessage) => void) {
    this.#told = told;
  }

  async start(): Promise<void> {}

  async send(message: JSONRPCMessage): Promise<void> {
    this.#told(message);
  }

  async close(): Promise<void> {
    this.onclose?.();
  }

  deliver(message: JSONRPCMessage): void {
    this.onmessage?.(message);
  }
}
