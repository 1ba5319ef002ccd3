import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

interface Issue {
  readonly number: number;
  title: string;
  state: "open" | "closed";
  readonly pull_request?: object;
}

interface Comment {
  readonly id: number;
  readonly issue: number;
  body: string;
  user: { login: string };
}

/** An answer that the next request gets instead of its own. */
export interface Failure {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Never answers. */
  readonly hangs?: boolean;
}

const OWNER = "somebody";
const REPOSITORY = "peers";
export const TOKEN = "ghp_a_token_that_nobody_may_see";

/**
 * The part of GitHub's REST API that the registry uses, as its documentation describes it: lists in pages with `Link`, an ETag
 * per page, tokens, rate limits.
 *
 * @see https://docs.github.com/en/rest/issues
 */
export class GithubStandIn {
  readonly issues: Issue[] = [];
  readonly comments: Comment[] = [];
  readonly failures: Failure[] = [];
  /** "METHOD path?query", in order. */
  readonly requests: string[] = [];
  unchanged = 0;
  /** Whose comments the token may not change. */
  readonly foreign = new Set<number>();
  remaining = 5_000;
  readonly #server: Server;
  readonly #hanging: ServerResponse[] = [];
  #lastId = 0;

  static async open(): Promise<GithubStandIn> {
    const standIn = new GithubStandIn();
    await new Promise<void>((resolve) => standIn.#server.listen(0, "127.0.0.1", resolve));
    return standIn;
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      void this.#answer(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
  }

  readonly owner = OWNER;
  readonly repository = REPOSITORY;

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  addIssue(title: string, more: Partial<Issue> = {}): Issue {
    const issue: Issue = { number: this.issues.length + 1, title, state: "open", ...more };
    this.issues.push(issue);
    return issue;
  }

  addComment(issue: number, body: string, login = "anybody"): Comment {
    const comment = { id: ++this.#lastId, issue, body, user: { login } };
    this.comments.push(comment);
    return comment;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const response of this.#hanging) response.destroy();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = request;
    this.requests.push(`${method} ${url}`);
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const failure = this.failures.shift();
    if (failure?.hangs === true) return void this.#hanging.push(response);
    if (failure !== undefined)
      return this.#send(response, failure.status, { message: failure.message }, failure.headers);
    const { authorization } = headers;
    if (authorization !== undefined && authorization !== `token ${TOKEN}`)
      return this.#send(response, 401, { message: `Bad credentials: ${authorization}` });
    if (method !== "GET" && authorization === undefined)
      return this.#send(response, 401, { message: "Requires authentication" });
    const content =
      pieces.length === 0 ? {} : (JSON.parse(Buffer.concat(pieces).toString()) as Record<string, string>);
    this.#route(method, new URL(url, this.baseUrl), content, headers["if-none-match"] ?? "", response);
  }

  #route(
    method: string,
    url: URL,
    content: Record<string, string>,
    etag: string,
    response: ServerResponse,
  ): void {
    const path = url.pathname.replace(`/repos/${OWNER}/${REPOSITORY}/issues`, "");
    const ofIssue = /^\/(\d+)\/comments$/.exec(path)?.[1];
    const comment = this.comments.find(({ id }) => path === `/comments/${id}`);
    if (path === url.pathname) return this.#send(response, 404, { message: "Not Found" });
    if (method === "GET" && path === "") {
      const { issues } = this;
      const open = issues.filter(({ state }) => state === "open");
      const descending = url.searchParams.get("direction") !== "asc";
      return this.#page(response, url, descending ? open.toReversed() : open, etag);
    }
    if (method === "POST" && path === "")
      return this.#send(response, 201, this.addIssue(content["title"] ?? ""));
    if (ofIssue !== undefined && !this.issues.some(({ number }) => number === Number(ofIssue)))
      return this.#send(response, 404, { message: "Not Found" });
    if (method === "GET" && ofIssue !== undefined) {
      const found = this.comments.filter(({ issue }) => issue === Number(ofIssue));
      return this.#page(response, url, found, etag);
    }
    if (method === "POST" && ofIssue !== undefined)
      return this.#send(response, 201, this.addComment(Number(ofIssue), content["body"] ?? "", "this-node"));
    if (comment === undefined) return this.#send(response, 404, { message: "Not Found" });
    if (this.foreign.has(comment.id)) return this.#send(response, 403, { message: "Must have admin rights" });
    if (method === "DELETE") {
      this.comments.splice(this.comments.indexOf(comment), 1);
      return this.#send(response, 204, undefined);
    }
    comment.body = content["body"] ?? "";
    this.#send(response, 200, comment);
  }

  #page(response: ServerResponse, url: URL, items: readonly object[], etag: string): void {
    const perPage = Math.min(100, Number(url.searchParams.get("per_page") ?? 30));
    const number = Number(url.searchParams.get("page") ?? 1);
    const page = items.slice((number - 1) * perPage, number * perPage);
    const isLast = number * perPage >= items.length;
    const next = new URL(url);
    next.searchParams.set("page", String(number + 1));
    const link = isLast ? undefined : `<${next.href}>; rel="next"`;
    const tag = `W/"${createHash("sha256")
      .update(JSON.stringify([page, isLast]))
      .digest("hex")}"`;
    const headers = { etag: tag, ...(link === undefined ? {} : { link }) };
    if (etag === tag) {
      this.unchanged += 1;
      return this.#send(response, 304, undefined, headers);
    }
    this.#send(response, 200, page, headers);
  }

  #send(
    response: ServerResponse,
    status: number,
    content: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): void {
    if (status !== 304) this.remaining -= 1;
    response.writeHead(status, {
      "content-type": "application/json; charset=utf-8",
      "x-ratelimit-remaining": String(this.remaining),
      ...headers,
    });
    response.end(content === undefined ? "" : JSON.stringify(content));
  }
}
