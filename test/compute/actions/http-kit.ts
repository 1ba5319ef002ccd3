import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createRawServer, type AddressInfo, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { TLS } from "./tls-fixture.ts";

/** A server on loopback that stands for one on the net. */
export interface StandIn {
  /** Without a slash at the end. */
  readonly origin: string;
  readonly port: number;
  /** Every request it has got, in order. */
  readonly requests: Received[];
  /** Resolves when the next connection to it has been closed. */
  nextClosed(): Promise<void>;
}

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

const open: { readonly server: Server; readonly sockets: Set<Socket> }[] = [];

/** For `afterEach`. */
export async function closeStandIns(): Promise<void> {
  for (const { server, sockets } of open.splice(0)) {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => void server.close(resolve));
  }
}

type Answer = (request: Received, response: ServerResponse, socket: Socket) => void;

/** Answers each request when it has come whole. */
export async function standIn(answer: Answer, { tls = false } = {}): Promise<StandIn> {
  const requests: Received[] = [];
  const listen: RequestListener = (request, response) => {
    // Node would keep the text of the date for a second, and a timer with it.
    response.sendDate = false;
    void text(request).then((body) => {
      const received = {
        method: request.method ?? "",
        url: request.url ?? "",
        headers: request.headers,
        body,
      };
      requests.push(received);
      answer(received, response, request.socket);
    });
  };
  const server = tls ? createTlsServer(TLS, listen) : createServer(listen);
  return listening(server, tls ? "https" : "http", requests);
}

/** Says what it likes, as soon as the first bytes have come. */
export function rawStandIn(say: (socket: Socket) => void): Promise<StandIn> {
  const server = createRawServer((socket) => void socket.once("data", () => say(socket)));
  return listening(server, "http", []);
}

async function listening(server: Server, scheme: string, requests: Received[]): Promise<StandIn> {
  const sockets = new Set<Socket>();
  let closed = Promise.withResolvers<void>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      sockets.delete(socket);
      closed.resolve();
      closed = Promise.withResolvers();
    });
  });
  open.push({ server, sockets });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `${scheme}://127.0.0.1:${port}`,
    port,
    requests,
    nextClosed: () => closed.promise,
  };
}
