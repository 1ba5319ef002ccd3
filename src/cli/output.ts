import { fault } from "../errors/index.ts";
import { sentenceFor } from "./failure.ts";

/** What the first write that failed, failed of; the stream itself forgets it. */
let failure: NodeJS.ErrnoException | undefined;

/** From now on a failure of standard output ends nothing by itself. */
export function watchOutput(): void {
  failure = undefined;
  if (!process.stdout.listeners("error").includes(onError)) process.stdout.on("error", onError);
}

/** Does nobody take what is written, whatever the reason? */
export const outputIsLost = (): boolean => failure !== undefined;

/** The same, unless its reader had seen enough (`| head`): then nobody is left to tell, and nothing went wrong. */
export const outputFailed = (): boolean => failure !== undefined && failure.code !== "EPIPE";

function onError(error: NodeJS.ErrnoException): void {
  if (failure) return;
  failure = error;
  if (!outputFailed()) return;
  // It may come when the command has ended.
  process.exitCode = 1;
  const told = fault("FILE_UNWRITABLE", { path: "standard output", why: sentenceFor(error) });
  process.stderr.write(`mcplusplus: ${told.message}\n`);
}
