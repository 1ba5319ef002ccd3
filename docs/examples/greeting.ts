import { openSystem } from "mcplusplus";
import { TemplateRegistry } from "mcplusplus/templates";

/** A template that is kept in a registry, and run from a program. */

const TEXT = `
template_id: greet
name: Greeting
version: 1.2.0
parameters:
  - { name: who, type: string, description: Whom to greet }
steps:
  - { step_id: say, action: echo, inputs: { text: "hello \${who}" } }
`;

const templates = new TemplateRegistry();
templates.importText(TEXT, "greet.yaml");

await using system = await openSystem({ data: null });
const workflow = templates.instantiate("greet", { who: "you" }, { workflowId: "greet-1", version: "^1" });
const { outputs } = await system.run(workflow);
process.stdout.write(`${JSON.stringify(outputs["say"])}\n`);
