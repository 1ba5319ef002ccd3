import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { READS, limit, offset, pageAnswer, pageShape } from "../taskqueue/shapes.ts";
import { answer } from "../workflow/shapes.ts";
import { DEAD_LETTERS, filterOf, filters } from "./choice.ts";

export const deadletterList = defineTool({
  name: "deadletter_list",
  title: "List dead letters",
  description:
    "Lists the tasks that failed for good and were neither retried nor redriven since, in the order of their " +
    "submission, page by page. deadletter_inspect tells why one failed.",
  input: z.strictObject({ ...filters, limit, offset }),
  output: z.looseObject({ ...answer, ...pageShape }),
  hints: READS,
  metadata: DEAD_LETTERS,
  echo: [],
  async run(args, { system }) {
    const { limit: most, offset: from } = args;
    const page = await system.tasks.deadLetters.list({ ...filterOf(args), limit: most, offset: from });
    return pageAnswer(page, from);
  },
});
