import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/**
 * A process of the bench's own that answers questions, one at a time: what is measured by the process (resident
 * memory, a fresh start, a rival's worker) must not share one with the bench.
 */
export interface Child {
  ask<Answer>(question: string, argument?: unknown): Promise<Answer>;
  /** By itself, when it has nothing left to do. */
  end(): Promise<void>;
  /** At once, as `kill -9`. Resolves when it is gone. */
  kill(): Promise<void>;
}

/**
 * Without it each of the nine threads of a system that runs from its sources would carry the compiler that strips
 * types, as none does of the built package. Only a process that ended by itself has filled it.
 */
const COMPILED = fileURLToPath(new URL("../results/compiled/", import.meta.url));

interface Asked {
  readonly question: string;
  readonly argument: unknown;
}
type Answered = { readonly answer: unknown } | { readonly failure: string };

export interface ChildOptions {
  readonly args?: readonly string[];
  /** Of node. */
  readonly flags?: readonly string[];
  /** Runs the package as it is built, not its sources: for figures that a user of it would have. */
  readonly built?: boolean;
}

export function openChild(module: URL, { args = [], flags = [], built = false }: ChildOptions = {}): Child {
  const execArgv = process.execArgv.filter((flag) => !built || !flag.startsWith("--conditions"));
  const child = fork(module, args, {
    execArgv: [...execArgv, ...flags],
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILED },
    serialization: "advanced",
  });
  const onExit = (): void => void child.kill("SIGKILL");
  process.once("exit", onExit);
  child.once("exit", () => process.off("exit", onExit));

  const gone = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    async ask<Answer>(question: string, argument: unknown = null): Promise<Answer> {
      const listening = new AbortController();
      const { signal } = listening;
      try {
        const answered = once(child, "message", { signal }) as Promise<[Answered]>;
        const ended = once(child, "exit", { signal }) as Promise<[number | null, string | null]>;
        child.send({ question, argument } satisfies Asked);
        const [found] = await Promise.race([
          answered,
          ended.then(([code, signalName]): never => {
            throw new Error(`${module.pathname} ended with ${signalName ?? code} when asked to ${question}`);
          }),
        ]);
        if ("failure" in found) throw new Error(`${question}: ${found.failure}`);
        return found.answer as Answer;
      } finally {
        listening.abort();
      }
    },
    async end() {
      if (gone()) return;
      child.disconnect();
      await once(child, "exit");
    },
    async kill() {
      if (gone()) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

/** What the other end of `openChild` runs: an answer for each question. It lives until it is told to end. */
export function answer(questions: Readonly<Record<string, (argument: never) => unknown>>): void {
  process.on("message", ({ question, argument }: Asked) => {
    const say = (answered: Answered): void => void process.send?.(answered);
    const given = questions[question] as ((argument: unknown) => unknown) | undefined;
    Promise.try(() => given?.(argument)).then(
      (found) => say({ answer: found }),
      (error: unknown) =>
        say({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
}
