import { fault } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { DESTROYS, text } from "../taskqueue/shapes.ts";
import { answer } from "../workflow/shapes.ts";
import { ADMIN, quotaName } from "./quota-shapes.ts";

const KNOWN_MAX = 20;

export const quotaRemove = defineTool({
  name: "quota_remove",
  title: "Remove a quota",
  description: "Removes the quota of a task type or tag, so that nothing bounds its tasks from now on.",
  input: z.strictObject(quotaName),
  output: z.looseObject({ ...answer, scope: text, name: text }),
  hints: DESTROYS,
  metadata: ADMIN,
  echo: ["scope", "name"],
  async run({ scope, name }, { system }) {
    const { quotas } = system.tasks;
    if (await quotas.remove(scope, name)) return { scope, name };
    const known = (await quotas.list()).filter((each) => each.scope === scope).map((each) => each.name);
    throw fault("UNKNOWN_NAME", {
      kind: `quota of the ${scope}`,
      name,
      known: known.length === 0 ? ["none"] : known.slice(0, KNOWN_MAX),
    });
  },
});
