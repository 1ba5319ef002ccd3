import { LIMITS, fault } from "../../errors/index.ts";
import type { GithubInit } from "../peers.protocol.ts";
import type { Announcement, Count, DiscoverySource, Finding, PeerSearch } from "./discovery-source.ts";
import { GithubClient, statusOf, type GithubServices } from "./github-client.ts";
import { REGISTRY_TITLE, commentOf, readComment, type PeerComment } from "./github-comment.ts";
import { findingIn, isObject } from "./peer-document.ts";

const PER_PAGE = 100;
const ISSUES = "GET /repos/{owner}/{repo}/issues";
const COMMENTS = "GET /repos/{owner}/{repo}/issues/{issue_number}/comments";
const ONE_COMMENT = "/repos/{owner}/{repo}/issues/comments/{comment_id}";

const ISSUE_TEXT =
  "Nodes tell each other here where they are. Each has one comment, which it writes anew and deletes by itself.";

/** A comment that has expired is left alone for so long, in case its node comes back or clocks differ. */
const STALE_MS = 3_600_000;
const SWEPT_AT_ONCE = 10;

/** What is kept of a page, so that an answer without content can be read. */
interface Page {
  readonly etag: string;
  readonly comments: readonly FoundComment[];
  readonly hasNext: boolean;
}

interface FoundComment extends PeerComment {
  readonly id: number;
}

/** The comments of one issue of a repository that somebody has named. */
export class GithubSource implements DiscoverySource {
  readonly name = "github";
  readonly #client: GithubClient;
  readonly #clock: GithubServices["clock"];
  readonly #count: Count;
  readonly #tokenVariable: string | null;
  /** In lower case; null: anybody. */
  readonly #authors: ReadonlySet<string> | null;
  #issue: number | null = null;
  #ownComment: number | null = null;
  readonly #pages = new Map<number, Page>();
  /** GitHub has said that comments of others are not ours to delete. */
  #maySweep = true;

  constructor(init: GithubInit, services: GithubServices & { readonly count: Count }) {
    this.#client = new GithubClient(init, services);
    this.#clock = services.clock;
    this.#count = services.count;
    this.#tokenVariable = init.tokenVariable;
    this.#authors = init.authors && new Set(init.authors.map((author) => author.toLowerCase()));
  }

  async announce(own: Announcement, signal: AbortSignal): Promise<void> {
    // Whoever reads only has said so; whoever has named a variable expects to be told of.
    if (this.#tokenVariable === null) return;
    if (!this.#client.mayWrite) {
      const why = `the environment variable ${this.#tokenVariable} is not set, so this node is not told there`;
      throw fault("DISCOVERY_FAILED", { source: "GitHub", why });
    }
    const issue = (await this.#findIssue(signal)) ?? (await this.#createIssue(signal));
    const body = commentOf(own);
    this.#ownComment ??= await this.#findOwn(own.record.peerId, issue, signal);
    if (this.#ownComment !== null && (await this.#update(this.#ownComment, body, signal))) return;
    this.#ownComment = await this.#comment(issue, body, signal);
  }

  async withdraw(_peerId: string, signal: AbortSignal): Promise<void> {
    const id = this.#ownComment;
    if (id === null || !this.#client.mayWrite) return;
    this.#ownComment = null;
    await this.#delete(id, signal);
  }

  async *find(_search: PeerSearch, signal: AbortSignal): AsyncIterable<Finding> {
    const issue = await this.#findIssue(signal);
    if (issue === null) return;
    for await (const { told } of this.#comments(issue, signal)) {
      const finding = findingIn(told, this.name, this.#clock.wallNow());
      if (finding !== undefined) yield finding;
    }
  }

  async sweep(signal: AbortSignal): Promise<number> {
    if (!this.#maySweep || !this.#client.mayWrite) return 0;
    const issue = await this.#findIssue(signal);
    if (issue === null) return 0;
    const stale: FoundComment[] = [];
    for await (const comment of this.#comments(issue, signal)) {
      const { lastSeenMs, ttlMs } = comment.told;
      const isStale = this.#clock.wallNow() - lastSeenMs > ttlMs + STALE_MS;
      if (isStale && comment.id !== this.#ownComment) stale.push(comment);
    }
    let swept = 0;
    for (const { id } of stale.slice(0, SWEPT_AT_ONCE)) {
      try {
        if (await this.#delete(id, signal)) swept += 1;
      } catch (error) {
        if (statusOf(error) !== 403) throw error;
        this.#maySweep = false;
        break;
      }
    }
    return swept;
  }

  // --- the issue ----------------------------------------------------------------------------------------------------

  /** Of several the one with the lowest number; null when there is none. */
  async #findIssue(signal: AbortSignal): Promise<number | null> {
    if (this.#issue !== null) return this.#issue;
    for (let page = 1; page <= LIMITS.discovery.pages; page++) {
      // Oldest first, so that the first that fits has the lowest number.
      const order = { state: "open", sort: "created", direction: "asc", per_page: PER_PAGE, page };
      const { data, headers } = await this.#client.request(ISSUES, order, signal);
      const numbers = listOf(data)
        .filter((issue) => issue["pull_request"] === undefined && issue["title"] === REGISTRY_TITLE)
        .map((issue) => numberIn(issue["number"]))
        .filter((number) => number !== null);
      if (numbers.length > 0) return (this.#issue = Math.min(...numbers));
      if (!hasNext(headers)) return null;
    }
    return null;
  }

  async #createIssue(signal: AbortSignal): Promise<number> {
    const { data } = await this.#client.request(
      "POST /repos/{owner}/{repo}/issues",
      { title: REGISTRY_TITLE, body: ISSUE_TEXT },
      signal,
    );
    const made = isObject(data) ? numberIn(data["number"]) : null;
    // Another node may have made one at the same moment: then the lower one is the registry for both.
    const issue = (await this.#findIssue(signal)) ?? made;
    if (issue === null)
      throw fault("DISCOVERY_FAILED", { source: "GitHub", why: "the issue that was made is not there" });
    return (this.#issue = issue);
  }

  /** It has been closed for good, or moved: it is looked for anew the next time. */
  #loseIssue(): void {
    this.#issue = null;
    this.#ownComment = null;
    this.#pages.clear();
  }

  // --- its comments -------------------------------------------------------------------------------------------------

  async *#comments(issue: number, signal: AbortSignal): AsyncIterable<FoundComment> {
    for (let number = 1; number <= LIMITS.discovery.pages; number++) {
      const page = await this.#page(issue, number, signal);
      yield* page.comments;
      if (!page.hasNext) return;
    }
    this.#count("github_pages_left");
  }

  async #page(issue: number, number: number, signal: AbortSignal): Promise<Page> {
    const kept = this.#pages.get(number);
    const headers = kept === undefined ? {} : { "if-none-match": kept.etag };
    const asked = { issue_number: issue, per_page: PER_PAGE, page: number, headers };
    try {
      const answer = await this.#client.request(COMMENTS, asked, signal);
      if (answer.status === 304 && kept !== undefined) {
        this.#count("github_unchanged");
        return kept;
      }
      const page = {
        etag: String(answer.headers["etag"] ?? ""),
        comments: listOf(answer.data).flatMap((comment) => this.#read(comment)),
        hasNext: hasNext(answer.headers),
      };
      if (page.etag === "") this.#pages.delete(number);
      else this.#pages.set(number, page);
      return page;
    } catch (error) {
      if (statusOf(error) === 404 || statusOf(error) === 410) this.#loseIssue();
      throw error;
    }
  }

  #read(comment: Readonly<Record<string, unknown>>): FoundComment[] {
    const id = numberIn(comment["id"]);
    const read = readComment(comment["body"]);
    if (read.kind === "foreign" || id === null) return [];
    if (!this.#isFromAuthor(comment["user"])) {
      this.#count("github_author");
      return [];
    }
    if (read.kind === "peer") return [{ ...read.comment, id }];
    this.#count(`github_${read.kind}`);
    return [];
  }

  #isFromAuthor(user: unknown): boolean {
    if (this.#authors === null) return true;
    const login = isObject(user) ? user["login"] : undefined;
    return typeof login === "string" && this.#authors.has(login.toLowerCase());
  }

  async #findOwn(peerId: string, issue: number, signal: AbortSignal): Promise<number | null> {
    for await (const { id, runnerName, told } of this.#comments(issue, signal))
      if (runnerName === peerId && told.peerId === peerId) return id;
    return null;
  }

  /** @returns its id */
  async #comment(issue: number, body: string, signal: AbortSignal): Promise<number | null> {
    const route = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments";
    try {
      const { data } = await this.#client.request(route, { issue_number: issue, body }, signal);
      return isObject(data) ? numberIn(data["id"]) : null;
    } catch (error) {
      if (statusOf(error) === 404 || statusOf(error) === 410) this.#loseIssue();
      throw error;
    }
  }

  /** @returns false when it is not there any more, or is somebody else's: then a new one is made */
  async #update(id: number, body: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#client.request(`PATCH ${ONE_COMMENT}`, { comment_id: id, body }, signal);
      return true;
    } catch (error) {
      if (statusOf(error) !== 404 && statusOf(error) !== 403) throw error;
      return false;
    }
  }

  /** @returns false when it was gone already */
  async #delete(id: number, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#client.request(`DELETE ${ONE_COMMENT}`, { comment_id: id }, signal);
      return true;
    } catch (error) {
      if (statusOf(error) !== 404) throw error;
      return false;
    }
  }
}

const listOf = (data: unknown): Readonly<Record<string, unknown>>[] =>
  Array.isArray(data) ? (data as unknown[]).filter(isObject) : [];

const numberIn = (value: unknown): number | null =>
  Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : null;

const hasNext = (headers: Readonly<Record<string, unknown>>): boolean =>
  typeof headers["link"] === "string" && headers["link"].includes('rel="next"');
