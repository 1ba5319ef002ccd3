import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A service on loopback that answers as a test says, and counts who asks. */
export interface AnsweringService extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly asked: () => number;
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export async function serve(answer: Answer, host = "127.0.0.1"): Promise<AnsweringService> {
  let asked = 0;
  const server = createServer((request, response) => {
    asked += 1;
    answer(request, response);
  });
  server.listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${port}/`,
    port,
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export const says =
  (text: string, status = 200): Answer =>
  (_request, response) => {
    response.writeHead(status, { "content-type": "text/plain" });
    response.end(text);
  };

/** Never answers. */
export const hangs: Answer = () => {};

/** Begins, and never ends. */
export const trickles =
  (text: string): Answer =>
  (_request, response) => {
    response.writeHead(200);
    response.write(text);
  };
