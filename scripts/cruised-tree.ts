import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { cruise, type ICruiseResult } from "dependency-cruiser";
import extractOptions from "dependency-cruiser/config-utl/extract-depcruise-options";

const RULES = new URL("../.dependency-cruiser.cjs", import.meta.url).pathname;

/** Where code of ours may stand; a folder that a tree does not have is left out. */
const FOLDERS = ["src", "workers", "docs/examples"];

const rules = createRequire(import.meta.url)(RULES) as {
  readonly lines: readonly (readonly string[])[];
  readonly forbidden: readonly { readonly name: string; readonly comment: string }[];
};

/** The rooms by line, from the bottom, as the rules declare them. */
export const LINES = rules.lines;

const REASONS = new Map(rules.forbidden.map(({ name, comment }) => [name, comment]));

interface Violation {
  readonly rule: string;
  readonly from: string;
  readonly to: string;
  /** What the rule demands, as its comment says it. */
  readonly reason: string;
}

interface CruisedTree {
  readonly modules: ICruiseResult["modules"];
  readonly violations: readonly Violation[];
}

/**
 * Reads every import of a source tree and judges it by the rules of `.dependency-cruiser.cjs`.
 *
 * @param root the folder that holds `src`; the checker's paths are relative to it.
 */
export async function cruiseTree(root: string): Promise<CruisedTree> {
  const folders = FOLDERS.filter((folder) => existsSync(join(root, folder)));
  const { output } = await cruise(folders, { ...(await extractOptions(RULES)), baseDir: root });
  if (typeof output === "string") throw new TypeError(`defect: the checker answered with text: ${output}`);
  const violations = output.summary.violations.map(({ rule, from, to, cycle }) => ({
    rule: rule.name,
    from,
    to: cycle === undefined ? to : cycle.map(({ name }) => name).join(" -> "),
    reason: REASONS.get(rule.name) ?? rule.name,
  }));
  return { modules: output.modules, violations };
}
