/**
 * Makes the pages that repeat what the code knows. `--check` writes nothing and fails when a page on disk differs from
 * what would be written, so that no page can outlive the code it describes.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorsPage } from "./pages/errors-page.ts";
import { lifecycleTables } from "./pages/lifecycle-tables.ts";
import { lifecyclesPage } from "./pages/lifecycles-page.ts";
import { limitsPage } from "./pages/limits-page.ts";
import { ROOT } from "./pages/page.ts";
import { architecturePage } from "./pages/rooms-picture.ts";
import { templateSchemaPage } from "./pages/template-schema-page.ts";

const PAGES: Readonly<Record<string, () => string | Promise<string>>> = {
  "src/lifecycle/tables.ts": lifecycleTables,
  "docs/errors.md": errorsPage,
  "docs/limits.md": limitsPage,
  "docs/lifecycles.md": lifecyclesPage,
  "docs/architecture.md": architecturePage,
  "docs/schema/template.schema.json": templateSchemaPage,
};

const checking = process.argv.includes("--check");
const problems: string[] = [];

// One page that cannot be made keeps none of the others from being made.
for (const [path, make] of Object.entries(PAGES)) {
  try {
    settle(path, await make());
  } catch (error) {
    problems.push(`${path} cannot be made: ${error instanceof Error ? error.message : String(error)}`);
  }
}

for (const problem of problems) process.stderr.write(`${problem}\n`);
if (problems.length > 0) process.exitCode = 1;

function settle(path: string, text: string): void {
  const file = join(ROOT, path);
  if (textOf(file) === text) return;
  if (checking) {
    problems.push(`${path} is not what the code says: run \`npm run docs\` and commit the result`);
    return;
  }
  writeFileSync(file, text);
  process.stdout.write(`${path} written\n`);
}

/** The text of a file, or nothing when it does not exist yet. */
function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
