import { fault } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { DESTROYS, confirm, count } from "../taskqueue/shapes.ts";
import { answer } from "../workflow/shapes.ts";
import { CHOICE_RULE, DEAD_LETTERS, choice, choiceIsClear, chosen, filterOf } from "./choice.ts";

export const deadletterPurge = defineTool({
  name: "deadletter_purge",
  title: "Purge dead letters",
  description:
    "Forgets the dead letters that are named, or all for which the filters hold, with the causes of their attempts; " +
    "their ids are free. Needs confirm: true.",
  input: z.strictObject({ ...choice, confirm }).refine(choiceIsClear, CHOICE_RULE),
  output: z.looseObject({ ...answer, purged_count: count }),
  hints: DESTROYS,
  metadata: DEAD_LETTERS,
  echo: [],
  refuse({ confirm: confirmed }, { confirmation }) {
    if (!confirmed) throw fault("CONFIRMATION_REQUIRED", { what: "purging dead letters", how: confirmation });
  },
  async preview(args, { system }) {
    const count =
      args.task_ids?.length ?? (await system.tasks.deadLetters.list({ ...filterOf(args), limit: 1 })).total;
    return `${count} dead letters would be forgotten.`;
  },
  async run(args, { system }) {
    const { purged } = await system.tasks.deadLetters.purge(chosen(args));
    return { purged_count: purged };
  },
});
