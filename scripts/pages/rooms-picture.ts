import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cruiseTree, LINES } from "../cruised-tree.ts";
import { ROOT, table } from "./page.ts";

const START = "<!-- rooms:start -->";
const END = "<!-- rooms:end -->";

/** Which rooms each room imports directly. */
export type RoomGraph = ReadonlyMap<string, ReadonlySet<string>>;

/** `docs/architecture.md` with the part between its markers made anew from the imports of the code. */
export async function architecturePage(): Promise<string> {
  const page = readFileSync(join(ROOT, "docs/architecture.md"), "utf8");
  const { modules } = await cruiseTree(ROOT);
  return withPicture(page, roomsPicture(roomGraph(modules), LINES));
}

export function withPicture(page: string, picture: string): string {
  const start = page.indexOf(START);
  const end = page.indexOf(END);
  if (start === -1 || end < start) {
    throw new TypeError(`docs/architecture.md needs the line ${START} and, below it, the line ${END}`);
  }
  return `${page.slice(0, start + START.length)}\n${picture}\n${page.slice(end)}`;
}

interface ReadModule {
  readonly source: string;
  readonly dependencies: readonly { readonly resolved: string }[];
}

export function roomGraph(modules: readonly ReadModule[]): RoomGraph {
  const graph = new Map<string, Set<string>>();
  for (const { source, dependencies } of modules) {
    const room = roomOf(source);
    if (room === undefined) continue;
    const imported = graph.get(room) ?? new Set();
    graph.set(room, imported);
    for (const { resolved } of dependencies) {
      const other = roomOf(resolved);
      if (other !== undefined && other !== room) imported.add(other);
    }
  }
  return graph;
}

const roomOf = (path: string): string | undefined => /^src\/([^/]+)\//.exec(path)?.[1];

/**
 * A Mermaid graph with one row per line, upper lines first, and a table of every direct import. The graph omits an
 * arrow where a longer way leads to the same room: `queue -> errors` says nothing beside `queue -> store -> errors`.
 */
export function roomsPicture(graph: RoomGraph, lines: readonly (readonly string[])[]): string {
  const present = lines.map((line) => line.filter((room) => graph.has(room)));
  const topDown = present
    .map((rooms, depth) => ({ rooms, depth }))
    .filter(({ rooms }) => rooms.length > 0)
    .toReversed();
  const order = topDown.flatMap(({ rooms }) => rooms);
  const sorted = (rooms: ReadonlySet<string>): string[] => order.filter((room) => rooms.has(room));
  return [
    "```mermaid",
    "graph TD",
    ...topDown.flatMap(({ rooms, depth }) => [
      `  subgraph line${depth}["line ${depth}"]`,
      `    direction LR`,
      ...rooms.map((room) => `    ${room}`),
      "  end",
    ]),
    ...order.flatMap((room) => sorted(shortest(graph, room)).map((other) => `  ${room} --> ${other}`)),
    "```",
    "",
    table(
      ["room", "imports"],
      order.map((room) => [`\`${room}\``, sorted(graph.get(room) ?? new Set()).join(", ") || "nothing"]),
    ),
  ].join("\n");
}

/** The direct imports that no other direct import leads to. */
function shortest(graph: RoomGraph, room: string): ReadonlySet<string> {
  const direct = graph.get(room) ?? new Set<string>();
  const indirect = new Set([...direct].flatMap((other) => [...reachable(graph, other)]));
  return direct.difference(indirect);
}

function reachable(graph: RoomGraph, room: string, seen = new Set<string>()): ReadonlySet<string> {
  for (const other of graph.get(room) ?? []) {
    if (seen.has(other)) continue;
    seen.add(other);
    reachable(graph, other, seen);
  }
  return seen;
}
