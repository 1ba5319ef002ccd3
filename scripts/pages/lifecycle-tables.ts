import {
  bootstrapMachine,
  childMachine,
  compensationMachine,
  compile,
  runMachine,
  stepMachine,
  taskMachine,
} from "../../src/lifecycle/machines.ts";
import { formatted } from "./formatted.ts";

const HEAD = `import { tableOf } from "./table.ts";

// Made by \`npm run docs\` from the machines beside this file; CI compares. Every owner of a state changes it through
// one of these.
`;

/** The machines as data, so that no thread has to load and walk them. */
export async function lifecycleTables(): Promise<string> {
  const machines = {
    taskTable: taskMachine,
    runTable: runMachine,
    stepTable: stepMachine,
    compensationTable: compensationMachine,
    childTable: childMachine,
    bootstrapTable: bootstrapMachine,
  };
  const tables = Object.entries(machines).map(
    ([name, machine]) => `export const ${name} = tableOf(${JSON.stringify(compile(machine))});\n`,
  );
  return formatted("tables.ts", `${HEAD}\n${tables.join("\n")}`);
}
