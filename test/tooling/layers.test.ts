import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cruiseTree } from "../../scripts/cruised-tree.ts";

/** A tree in which every rule is broken once, beside imports that are all allowed. */
const TREE: Record<string, string> = {
  "package.json": JSON.stringify({
    name: "planted",
    type: "module",
    dependencies: { zod: "*", leftpad: "*" },
    devDependencies: { piscina: "*" },
  }),
  "node_modules/zod/package.json": JSON.stringify({ name: "zod", main: "index.js" }),
  "node_modules/zod/index.js": "",
  "node_modules/leftpad/package.json": JSON.stringify({ name: "leftpad", main: "index.js" }),
  "node_modules/leftpad/index.js": "",
  "node_modules/piscina/package.json": JSON.stringify({ name: "piscina", main: "index.js" }),
  "node_modules/piscina/index.js": "",
  "test/kit.ts": "export const kit = 1;",

  // Allowed: the doors, downwards.
  "src/errors/index.ts": 'export { fault } from "./fault.ts";',
  "src/errors/fault.ts": "export const fault = 1;",
  "src/schema/index.ts": "export const schema = 1;",
  "src/schema/zod-schema.ts": 'import zod from "zod"; export const strict = zod;',
  "src/store/index.ts": 'import { DatabaseSync } from "node:sqlite"; export const open = DatabaseSync;',
  "src/queue/index.ts": 'import { open } from "../store/index.ts"; export const queue = open;',
  "src/queue/queue.protocol.ts": "export const protocol = 1;",
  "src/queue/queue.behaviour.ts": 'import { queue } from "./index.ts"; export const behaviour = queue;',
  "src/tools/submit.ts": [
    'import { protocol } from "../queue/queue.protocol.ts";',
    'import { strict } from "../schema/zod-schema.ts";',
    "export const submit = [protocol, strict];",
  ].join("\n"),
  "src/index.ts": 'export { queue } from "./queue/index.ts";',
  "workers/queue.actor.ts": 'export { behaviour } from "../src/queue/queue.behaviour.ts";',

  // Planted, one violation each.
  "src/scope/upward.ts": 'import { queue } from "../queue/index.ts"; export const up = queue;',
  "src/scope/upward-type.ts":
    'import type { queue } from "../queue/index.ts"; export type Up = typeof queue;',
  "src/cache/sideways.ts": 'import { queue } from "../queue/index.ts"; export const side = queue;',
  "src/tools/deep.ts": 'import { fault } from "../errors/fault.ts"; export const deep = fault;',
  "src/cli/to-index.ts": 'import { queue } from "../index.ts"; export const all = queue;',
  "src/cli/to-worker.ts":
    'import { behaviour } from "../../workers/queue.actor.ts"; export const w = behaviour;',
  "src/cli/to-test.ts": 'import { kit } from "../../test/kit.ts"; export const k = kit;',
  "src/tools/foreign.ts": 'import zod from "zod"; export const z = zod;',
  "src/queue/second-owner.ts":
    'import { DatabaseSync } from "node:sqlite"; export const second = DatabaseSync;',
  "src/queue/unowned.ts": 'import pad from "leftpad"; export const p = pad;',
  "src/compute/not-shipped.ts": 'import pool from "piscina"; export const p = pool;',
  "src/attic/lost.ts": 'import { fault } from "../errors/index.ts"; export const lost = fault;',
  "src/mcp/nowhere.ts": 'import { gone } from "./gone.ts"; export const g = gone;',
  "src/ring/a.ts": 'import { b } from "./b.ts"; export const a = (): unknown => b;',
  "src/ring/b.ts": 'import { a } from "./a.ts"; export const b = (): unknown => a;',
  "workers/deep.actor.ts": 'import { fault } from "../src/errors/fault.ts"; export const f = fault;',
  "docs/examples/inside.ts": 'import { queue } from "../../src/queue/index.ts"; export const q = queue;',
};

describe("the layer rules", () => {
  let root = "";
  let reported: readonly string[] = [];

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), "layers-"));
    for (const [path, text] of Object.entries(TREE)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const { violations } = await cruiseTree(root);
    reported = violations.map(({ rule, from }) => `${rule}: ${from}`);
  });

  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it.each([
    ["an import from an upper line", "layers-scope: src/scope/upward.ts"],
    ["a type imported from an upper line", "layers-scope: src/scope/upward-type.ts"],
    ["an import from a room of the same line", "layers-cache: src/cache/sideways.ts"],
    ["an import past the door of a room", "only-through-the-door: src/tools/deep.ts"],
    ["a room that imports the public door", "layers-cli: src/cli/to-index.ts"],
    ["a room that imports a worker entry", "src-stands-alone: src/cli/to-worker.ts"],
    ["a room that imports a test", "src-stands-alone: src/cli/to-test.ts"],
    ["a package imported outside its owner room", "owner-zod: src/tools/foreign.ts"],
    ["the built-in database outside the store", "owner-sqlite: src/queue/second-owner.ts"],
    ["a package that no room owns", "package-without-an-owner: src/queue/unowned.ts"],
    ["a package that is not installed with ours", "no-development-package: src/compute/not-shipped.ts"],
    ["a room that no line names", "room-without-a-line: src/attic/lost.ts"],
    ["an import that leads nowhere", "resolvable: src/mcp/nowhere.ts"],
    ["a cycle of two files", "no-cycles: src/ring/a.ts"],
    ["a worker entry that reaches past the door", "workers-through-thread-doors: workers/deep.actor.ts"],
    ["an example that reaches inside", "examples-are-users: docs/examples/inside.ts"],
  ])("report %s", (_what, violation) => {
    expect(reported).toContain(violation);
  });

  it("report nothing about imports that go down through a door", () => {
    const planted =
      /upward|sideways|deep|to-|foreign|second-owner|unowned|not-shipped|lost|nowhere|ring\/|inside/;
    expect(reported.filter((violation) => !planted.test(violation))).toEqual([]);
  });
});
