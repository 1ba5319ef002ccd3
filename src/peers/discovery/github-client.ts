import type { Octokit } from "@octokit/core";
import { fault, isCancellation, isFault, sentenceOf, type Fault } from "../../errors/index.ts";
import { cutText } from "../../schema/index.ts";
import type { Clock } from "../../scope/index.ts";
import type { GithubInit } from "../peers.protocol.ts";

/** What the client stands on; a test hands in its own. */
export interface GithubServices {
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Options of the plugins that pace requests, for tests that have no time. */
  readonly pace?: { readonly enabled?: boolean; readonly retryAfterBaseValue?: number };
}

export interface GithubAnswer {
  readonly status: number;
  readonly data: unknown;
  readonly headers: Readonly<Record<string, string | number | undefined>>;
}

const SOURCE = "GitHub";
/** A wait that GitHub asks for is waited out, once, if it is so short; else nothing is asked before it is over. */
const PATIENCE_S = 5;
const HOLD_S_MAX = 3_600;
const SENTENCE_CHARS = 300;

/** Failures of requests that repeating does not mend. */
const FINAL = [400, 401, 403, 404, 410, 422, 429, 451];

/**
 * Requests to GitHub's REST API, for one repository: paced, repeated when that may help, and held back when GitHub asks to wait.
 *
 * @see https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
 */
export class GithubClient {
  readonly #init: GithubInit;
  readonly #services: GithubServices;
  #made: { readonly token: string | null; readonly octokit: Promise<Octokit> } | undefined;
  #heldUntilMs = -Infinity;

  constructor(init: GithubInit, services: GithubServices) {
    this.#init = init;
    this.#services = services;
  }

  /** Null: there is none, so nothing can be written. It is read anew each time, and kept nowhere else. */
  get #token(): string | null {
    const { tokenVariable } = this.#init;
    const token = tokenVariable === null ? undefined : this.#services.environment[tokenVariable];
    return token === undefined || token === "" ? null : token;
  }

  get mayWrite(): boolean {
    return this.#token !== null;
  }

  /**
   * @param route as `GET /repos/{owner}/{repo}/issues`; owner and repository are filled in
   * @returns also an answer with status 304, which is no failure
   * @throws DISCOVERY_FAILED, whose cause tells the status; CANCELLED
   */
  async request(
    route: string,
    parameters: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<GithubAnswer> {
    const heldMs = this.#heldUntilMs - this.#services.clock.now();
    if (heldMs > 0) throw failed(`it asked to wait for another ${Math.ceil(heldMs / 1_000)} s`);
    const octokit = await this.#client();
    const { owner, repository: repo } = this.#init;
    try {
      return (await octokit.request(route, {
        ...parameters,
        owner,
        repo,
        request: { signal },
      })) as GithubAnswer;
    } catch (error) {
      const answer = answerIn(error);
      if (answer?.status === 304) return answer;
      if (signal.aborted || isFault(error) || isCancellation(error)) throw error;
      this.#heed(answer);
      throw failed(this.#sentence(error, answer), answer?.status);
    }
  }

  /** The plugins heed what GitHub calls a rate limit; an answer that only says when to come back is heeded here. */
  #heed(answer: GithubAnswer | undefined): void {
    const afterS = Number(answer?.headers["retry-after"] ?? NaN);
    if (afterS > 0) this.#hold(afterS);
  }

  #hold(afterS: number): void {
    const untilMs = this.#services.clock.now() + Math.min(afterS, HOLD_S_MAX) * 1_000;
    this.#heldUntilMs = Math.max(this.#heldUntilMs, untilMs);
  }

  /** A server may say anything, the token that it was sent included. */
  #sentence(error: unknown, answer: GithubAnswer | undefined): string {
    const token = this.#token;
    const said = sentenceOf(error);
    const clean = token === null ? said : said.replaceAll(token, "[redacted]");
    const status = answer === undefined ? "" : `it answered with status ${answer.status}: `;
    return cutText(status + clean, SENTENCE_CHARS);
  }

  async #client(): Promise<Octokit> {
    const token = this.#token;
    if (this.#made?.token !== token || this.#made === undefined)
      this.#made = { token, octokit: this.#make(token) };
    return this.#made.octokit;
  }

  async #make(token: string | null): Promise<Octokit> {
    const [{ Octokit }, { throttling }, { retry }] = await Promise.all([
      import("@octokit/core"),
      import("@octokit/plugin-throttling"),
      import("@octokit/plugin-retry"),
    ]);
    const silent = (): void => undefined;
    const limited = (afterS: number, _options: unknown, _octokit: unknown, retries: number): boolean => {
      if (afterS <= PATIENCE_S && retries === 0) return true;
      this.#hold(afterS);
      return false;
    };
    return new (Octokit.plugin(throttling, retry))({
      ...(token === null ? {} : { auth: token }),
      baseUrl: this.#init.baseUrl,
      userAgent: "mcplusplus",
      // Their lines would name addresses and headers; what went wrong is told by what is thrown.
      log: { debug: silent, info: silent, warn: silent, error: silent },
      retry: { doNotRetry: FINAL },
      throttle: { onRateLimit: limited, onSecondaryRateLimit: limited, ...this.#services.pace },
    });
  }
}

/** What octokit throws has the answer's parts; undefined when there was no answer. */
function answerIn(error: unknown): GithubAnswer | undefined {
  if (!(error instanceof Error) || !("status" in error) || typeof error.status !== "number") return undefined;
  const response = "response" in error ? (error.response as Partial<GithubAnswer> | undefined) : undefined;
  // Without an answer octokit takes 500 for the status.
  if (response === undefined && error.status !== 304) return undefined;
  return { status: error.status, data: response?.data, headers: response?.headers ?? {} };
}

const failed = (why: string, status?: number): Fault<"DISCOVERY_FAILED"> =>
  fault("DISCOVERY_FAILED", { source: SOURCE, why, ...(status === undefined ? {} : { status }) });

/** The status that a request failed with; null: there was no answer, or it is another failure. */
export const statusOf = (error: unknown): number | null =>
  isFault(error, "DISCOVERY_FAILED") ? (error.details.status ?? null) : null;
