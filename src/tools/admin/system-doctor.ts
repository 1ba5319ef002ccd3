import { z } from "../../schema/zod-schema.ts";
import { READS, text } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { answer } from "../workflow/shapes.ts";
import { ADMIN } from "./quota-shapes.ts";

export const systemDoctor = defineTool({
  name: "system_doctor",
  title: "Check the system",
  description:
    "Asks every actor whether it is well, and says what is worth a word about the machine and the work. healthy is false " +
    "when an actor is not running. The files on disk are looked through by `mcplusplus doctor`.",
  input: z.strictObject({}),
  output: z.looseObject({
    ...answer,
    healthy: z.boolean().optional(),
    node: text,
    actors: z.array(z.looseObject({ name: z.string(), state: z.string(), lives: z.number() })).optional(),
    alerts: z.array(z.string()).optional(),
  }),
  hints: READS,
  metadata: ADMIN,
  echo: [],
  async run(_args, { system }) {
    const [{ healthy, actors }, alerts] = await Promise.all([system.health(), system.alerts()]);
    return {
      healthy,
      node: process.versions.node,
      actors: actors.map(({ name, state, epoch }) => ({ name, state, lives: epoch })),
      alerts: alerts.map(({ severity, message }) => `${severity}: ${message}`),
    };
  },
});
