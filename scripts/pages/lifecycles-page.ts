import { existsSync } from "node:fs";
import { join } from "node:path";
import type { AnyStateMachine, AnyStateNode } from "xstate";
import { ROOT, origin } from "./page.ts";

const LIFECYCLE_DOOR = "src/lifecycle/machines.ts";

/** `docs/lifecycles.md`: a state diagram of every machine that the lifecycle room exports. */
export async function lifecyclesPage(): Promise<string> {
  const path = join(ROOT, LIFECYCLE_DOOR);
  if (!existsSync(path)) throw new TypeError(`${LIFECYCLE_DOOR} does not exist`);
  const exported = (await import(path)) as Readonly<Record<string, unknown>>;
  const machines = Object.values(exported).filter(isMachine);
  if (machines.length === 0) throw new TypeError(`${LIFECYCLE_DOOR} exports no state machine`);
  return [
    origin(LIFECYCLE_DOOR),
    "# Lifecycles",
    "",
    "What a thing may be, and what may happen to it then. A transition that is not drawn is impossible, and a state with",
    "an arrow to the end is final: whatever comes later (a retry, a redrive, a rerun) is a new thing that names its origin.",
    "",
    ...machines.map(section),
  ].join("\n");
}

function isMachine(value: unknown): value is AnyStateMachine {
  const config = (value as { config?: { states?: unknown } } | null | undefined)?.config;
  return typeof config?.states === "object" && config.states !== null;
}

function section(machine: AnyStateMachine): string {
  const { root } = machine;
  const about = root.description === undefined ? [] : [root.description, ""];
  return [`## ${machine.id}`, "", ...about, "```mermaid", stateDiagram(machine), "```", ""].join("\n");
}

/** The machine as a Mermaid state diagram, in the order in which its states are declared. */
export function stateDiagram(machine: AnyStateMachine): string {
  return ["stateDiagram-v2", ...drawStates(machine.root, "  ")].join("\n");
}

function drawStates(parent: AnyStateNode, indent: string): string[] {
  const children = Object.values(parent.states);
  const first = children.find(({ id }) => parent.initial.target.some((target) => target.id === id));
  return [
    ...(first === undefined ? [] : [`${indent}[*] --> ${nameOf(first)}`]),
    ...children.flatMap((child) => drawState(child, indent)),
  ];
}

function drawState(node: AnyStateNode, indent: string): string[] {
  const inside =
    Object.keys(node.states).length === 0
      ? []
      : [`${indent}state ${nameOf(node)} {`, ...drawStates(node, `${indent}  `), `${indent}}`];
  const end = node.type === "final" ? [`${indent}${nameOf(node)} --> [*]`] : [];
  return [...inside, ...arrows(node, indent), ...end];
}

/** Events with the same target share one arrow, or a busy machine would be unreadable. */
function arrows(node: AnyStateNode, indent: string): string[] {
  const eventsByTarget = new Map<string, string[]>();
  for (const [event, transitions] of node.transitions) {
    // A transition without a target changes no state, so it is no arrow.
    for (const target of new Set(transitions.flatMap(({ target }) => target ?? []))) {
      const events = eventsByTarget.get(nameOf(target)) ?? [];
      eventsByTarget.set(nameOf(target), [...events, event]);
    }
  }
  return [...eventsByTarget].map(
    ([target, events]) => `${indent}${nameOf(node)} --> ${target}: ${events.join(", ")}`,
  );
}

const nameOf = (node: AnyStateNode): string => node.path.join("_");
