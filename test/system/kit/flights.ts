import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { WorkflowInput } from "../../../src/system/index.ts";
import { instantiate, parseTemplate } from "../../../src/workflow/template.ts";

const EXAMPLES = resolve(import.meta.dirname, "../../../docs/examples");
const DATA = resolve(import.meta.dirname, "../../../node_modules/vega-datasets/data");

export const FLIGHTS_TEMPLATE = join(EXAMPLES, "flights.json");
export const FLIGHTS_TASKS = join(EXAMPLES, "flights.tasks.ts");
export const FLIGHTS_PAGE = join(EXAMPLES, "flights.page.ts");

/** Every `each`-th real flight, so that a run takes milliseconds. */
export function fewFlights(directory: string, each = 100): string {
  const flights = JSON.parse(readFileSync(join(DATA, "flights-200k.json"), "utf8")) as unknown[];
  const path = join(directory, "few-flights.json");
  writeFileSync(path, JSON.stringify(flights.filter((_, index) => index % each === 0)));
  return path;
}

/** The example's workflow over other flights. */
export function flightsWorkflow(
  workflowId: string,
  parameters: { flights?: string; out: string },
): WorkflowInput {
  const template = parseTemplate(readFileSync(FLIGHTS_TEMPLATE, "utf8"), FLIGHTS_TEMPLATE);
  const routes = { routes: join(DATA, "flights-airport.csv"), airports: join(DATA, "airports.csv") };
  return instantiate(
    template,
    { flights: join(DATA, "flights-200k.json"), ...routes, ...parameters },
    workflowId,
  );
}

/** The directories that its handlers need. */
export const flightsRoots = (directory: string): string[] => [directory, DATA];
