import { templateSchema } from "../../src/workflow/template.ts";
import { formatted } from "./formatted.ts";

/** What editors complete and check template files with. */
export async function templateSchemaPage(): Promise<string> {
  return formatted("template.schema.json", JSON.stringify(templateSchema()));
}
