import { format, resolveConfig } from "prettier";
import { templateSchema } from "../../src/workflow/template.ts";
import { ROOT } from "./page.ts";

/** What editors complete and check template files with. */
export async function templateSchemaPage(): Promise<string> {
  const path = `${ROOT}/docs/schema/template.schema.json`;
  return format(JSON.stringify(templateSchema()), { ...(await resolveConfig(path)), filepath: path });
}
