import { isFault } from "../../../src/errors/index.ts";

/** What is told to be wrong with a template; empty when nothing is. */
export function templateProblems(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    if (isFault(error, "TEMPLATE_INVALID")) return error.details.problems;
    throw error;
  }
  return [];
}
