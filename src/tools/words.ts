import { fault, isFault } from "../errors/index.ts";
import { snakeCase } from "./snake-case.ts";

/** How a caller speaks of a tool: a client by the names that the tool declares, a person by what was typed. */
export interface Words {
  /** What the tool is called. */
  readonly what: string;
  /** What an argument is called; it comes as the tool has it, such as `retry_policy.max_retries` or `tags[0]`. */
  nameOf(argument: string): string;
  /** How the caller says that it means it. */
  readonly confirmation: string;
}

/** Those of a client. */
export const wordsOf = (tool: { readonly name: string }): Words => ({
  what: tool.name,
  nameOf: (argument) => argument,
  confirmation: "confirm: true",
});

/** What the system calls otherwise than the tools do, and not by another case only. */
const PARAMETERS: Readonly<Record<string, string>> = {
  action: "task_type",
  input: "payload",
  requires: "required_capabilities",
  maxConcurrent: "max_concurrent_tasks",
  durationsMs: "durations",
  from: "from_steps",
};

/** A refusal in the words of whoever called a tool: the system speaks of its own arguments. */
export function inWords(error: unknown, words: Words): unknown {
  if (!isFault(error, "INVALID_ARGUMENT")) return error;
  const { argument, ...rest } = error.details;
  return fault("INVALID_ARGUMENT", { ...rest, argument: words.nameOf(parameterOf(argument)) });
}

/** `workerId` is `worker_id`, `quota.perSecond` is `per_second`; what follows the name stays. */
function parameterOf(argument: string): string {
  return argument.replace(
    /^(?:quota\.)?([a-z]+(?:[A-Z][a-z]*)*)/,
    (_, name: string) => PARAMETERS[name] ?? snakeCase(name),
  );
}
