/**
 * The layers of the source tree as rules a machine checks. The three tables are the whole policy; everything below
 * them is derived. A room imports only from lower lines: never sideways, never up.
 */

/** One entry per line, from the bottom; rooms of one line do not know each other. */
const LINES = [
  ["errors"],
  ["scope", "schema", "telemetry", "order"],
  ["ring", "codec", "store", "lifecycle", "executor"],
  ["actor"],
  ["supervisor", "compute"],
  ["queue", "cache", "peers"],
  ["workflow", "remote", "router"],
  ["system"],
  ["tools"],
  ["mcp", "load"],
  ["cli"], // beside src/index.ts, src/templates.ts, src/tools.ts and workers/, which assemble
];

/** What may be imported of another room; everything else of it is private. */
const DOORS = ["index\\.ts$", "[^/]+\\.protocol\\.ts$"];
const SECOND_DOORS = [
  "^src/schema/zod-schema\\.ts$",
  // Loads node:net, which few threads need.
  "^src/schema/special-addresses\\.ts$",
  // Loads XState, which no thread needs.
  "^src/lifecycle/machines\\.ts$",
  // Makes directories, and loads no database for that.
  "^src/store/create-directory\\.ts$",
  // What task modules load on every handler thread: no pool, no store.
  "^src/compute/define-tasks\\.ts$",
  // What becomes of large values: no pool either.
  "^src/compute/values\\.ts$",
  // Reads expressions with a package that few threads need.
  "^src/compute/expression\\.ts$",
  // Checks the options of a system on its caller's thread, which loads no pool.
  "^src/compute/host-rules\\.ts$",
  // Public knowledge, for the options of a system; loads nothing.
  "^src/peers/bootstrap/public-nodes\\.ts$",
  "^src/system/open-system\\.ts$",
  // What an actor reads the cache with, on a thread that loads no system.
  "^src/system/cache-door\\.ts$",
  // Checks the options of a system on its caller's thread, which does not load the queue.
  "^src/queue/task-order\\.ts$",
  // Checks with zod, which the scheduler's thread does not load.
  "^src/workflow/template\\.ts$",
  // What modules of tools are written with: none of ours.
  "^src/tools/(?:own-tool|own-schema|tool)\\.ts$",
];

/** What an entry in workers/ may import beside the doors: the code that lives on that thread, and nothing heavier. */
const THREAD_DOORS = [
  "[^/]+\\.behaviour\\.ts$",
  // Of a room that has folders of its own.
  "[^/]+/[^/]+\\.behaviour\\.ts$",
  "[^/]*host\\.ts$",
  "[^/]*runner\\.ts$",
  "[^/]*-thread\\.ts$",
];

/** Every third-party package (and the one built-in engine) has one owner in src. */
const OWNERS = {
  "@libp2p/[^/]+": "^src/peers/",
  "@modelcontextprotocol/[^/]+": "^src/mcp/",
  "@multiformats/[^/]+": "^src/peers/",
  "@octokit/[^/]+": "^src/peers/",
  comlink: "^src/supervisor/",
  "csv-parse": "^src/compute/",
  "hdr-histogram-js": "^src/load/",
  jsonata: "^src/compute/",
  libp2p: "^src/peers/",
  msgpackr: "^src/codec/",
  multiformats: "^src/peers/",
  piscina: "^src/compute/",
  semver: "^src/workflow/",
  xstate: "^src/lifecycle/",
  yaml: "^src/workflow/",
  zod: "^src/schema/zod-schema\\.ts$",
};
const OWNED_BUILT_INS = { sqlite: "^src/store/" };

const rooms = LINES.flat();
const anyOf = (names) => `(?:${names.join("|")})`;
const packagePath = (name) => `(?:^|/)node_modules/${name}/`;

const layerRules = LINES.flatMap((line, depth) =>
  line.map((room) => {
    const lower = LINES.slice(0, depth).flat();
    return {
      name: `layers-${room}`,
      comment: `${room} stands on line ${depth}; it may import: ${lower.join(", ") || "no other room"}`,
      severity: "error",
      from: { path: `^src/${room}/` },
      to: {
        path: "^src/",
        pathNot: [`^src/${room}/`, ...(lower.length === 0 ? [] : [`^src/${anyOf(lower)}/`])],
      },
    };
  }),
);

const doorRules = [
  {
    name: "only-through-the-door",
    comment: "a room is entered by its index.ts or a *.protocol.ts; its other files are private",
    severity: "error",
    from: { path: "^src/([^/]+)/" },
    to: {
      path: "^src/[^/]+/",
      pathNot: ["^src/$1/", ...DOORS.map((door) => `^src/[^/]+/${door}`), ...SECOND_DOORS],
    },
  },
  {
    name: "index-through-the-doors",
    comment: "the public doors re-export the doors of rooms",
    severity: "error",
    from: { path: "^src/(?:index|templates|tools)\\.ts$" },
    to: { path: "^src/", pathNot: [...DOORS.map((door) => `^src/[^/]+/${door}`), ...SECOND_DOORS] },
  },
  {
    name: "workers-through-thread-doors",
    comment: "a worker entry imports doors and the behaviour that lives on its thread",
    severity: "error",
    from: { path: "^workers/" },
    to: {
      path: "^src/",
      pathNot: [...DOORS, ...THREAD_DOORS].map((door) =>
        door.startsWith("^") ? door : `^src/[^/]+/${door}`,
      ),
    },
  },
  {
    name: "examples-are-users",
    comment: "an example imports what a user can import: the package by its name",
    severity: "error",
    from: { path: "^docs/examples/" },
    to: { path: "^(?:src/(?!(?:index|templates|tools)\\.ts$)|workers/|test/|bench/|scripts/)" },
  },
  {
    name: "src-stands-alone",
    comment: "src knows a worker by URL only, and no test, bench, script or document at all",
    severity: "error",
    from: { path: "^src/" },
    to: { path: "^(?:workers|test|bench|docs|scripts|bin|dist)/" },
  },
  {
    name: "room-without-a-line",
    comment: "a new room needs a place in LINES",
    severity: "error",
    from: { path: "^src/[^/]+/", pathNot: `^src/${anyOf(rooms)}/` },
    to: {},
  },
];

const ownerRules = [
  ...Object.entries(OWNERS).map(([name, owner]) => ({
    name: `owner-${name.replace(/\/.*/, "")}`,
    comment: `${name} is imported only by ${owner}`,
    severity: "error",
    from: { path: "^(?:src|workers)/", pathNot: owner },
    to: { path: packagePath(name) },
  })),
  ...Object.entries(OWNED_BUILT_INS).map(([name, owner]) => ({
    name: `owner-${name}`,
    comment: `node:${name} is imported only by ${owner}`,
    severity: "error",
    from: { path: "^(?:src|workers)/", pathNot: owner },
    to: { path: `^(?:node:)?${name}$`, dependencyTypes: ["core"] },
  })),
  {
    name: "package-without-an-owner",
    comment: "a third-party package in src needs a row in OWNERS",
    severity: "error",
    from: { path: "^(?:src|workers)/" },
    to: { path: "(?:^|/)node_modules/", pathNot: [...Object.keys(OWNERS), "@types/node"].map(packagePath) },
  },
  {
    name: "no-development-package",
    comment: "what src imports must be installed with the package",
    severity: "error",
    from: { path: "^(?:src|workers)/" },
    to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], pathNot: packagePath("@types/node") },
  },
];

const generalRules = [
  {
    name: "no-cycles",
    comment: "two files that need each other are one file, or lack a third",
    severity: "error",
    from: {},
    to: { circular: true },
  },
  {
    name: "resolvable",
    comment: "an import that leads nowhere hides every other rule",
    severity: "error",
    from: {},
    to: { couldNotResolve: true },
  },
];

module.exports = {
  forbidden: [...layerRules, ...doorRules, ...ownerRules, ...generalRules],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(?:dist|out|coverage)/" },
    // Type-only imports count: a type from an upper room is knowledge of the upper room.
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      // The package imports itself by name in the examples; its own condition leads to the sources.
      conditionNames: [...Object.keys(require("./package.json").exports["."]), "import", "require", "node"],
      mainFields: ["module", "main", "types"],
    },
  },
};

// Not enumerable, because the checker refuses keys that it does not know; the room picture in the docs reads it.
Object.defineProperty(module.exports, "lines", { value: LINES });
