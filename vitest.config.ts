import { join } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";

/** Minutes of real time, most in networks of their own: `npm run laboratory` runs these, and `npm test` all others. */
const LABORATORY = [
  "test/mesh/eight.test.ts",
  "test/mesh/laboratory.test.ts",
  "test/mesh/partition.test.ts",
  "test/mesh/network-restart.test.ts",
  "test/peers/registry/lossy-link.test.ts",
];
/**
 * Rooms whose tests leave nothing behind, so that one process runs file after file: loading the sources anew for each took
 * most of the time. Whatever starts systems, processes and servers of the whole has a process of its own.
 */
const TOGETHER = [
  ...[
    "cache",
    "codec",
    "compute",
    "errors",
    "executor",
    "lifecycle",
    "load",
    "order",
    "queue",
    "remote",
    "ring",
  ],
  ...["router", "scope", "store", "telemetry", "tools", "workflow"],
].map((room) => `test/${room}/**/*.test.ts`);
/** The same for rooms whose libraries leave a timer behind for a moment, where no test looks for such. */
const TOGETHER_ASIDE = ["mcp", "peers/bootstrap", "peers/discovery", "peers/network", "peers/registry"].map(
  (room) => `test/${room}/**/*.test.ts`,
);
const ELSEWHERE = [...configDefaults.exclude, ...LABORATORY];
const inLaboratory = process.env["LABORATORY"] === "1";

const project = (
  name: string,
  files: { readonly include: string[]; readonly exclude?: string[]; readonly isolate?: boolean },
) => ({ extends: true as const, test: { name, ...files } });

export default defineConfig({
  // The examples import the package by its own name; "mcplusplus-source" points that name at src/ without a build.
  resolve: { conditions: ["mcplusplus-source"] },
  ssr: { resolve: { conditions: ["mcplusplus-source"] } },
  test: {
    projects: inLaboratory
      ? [project("laboratory", { include: LABORATORY })]
      : [
          project("together", { include: TOGETHER, isolate: false }),
          project("together-aside", { include: TOGETHER_ASIDE, exclude: ELSEWHERE, isolate: false }),
          project("apart", {
            include: ["test/**/*.test.ts"],
            exclude: [...ELSEWHERE, ...TOGETHER, ...TOGETHER_ASIDE],
          }),
        ],
    pool: "forks",
    // Threads of their own are what most tests start: more files at once than cores only slow each other down.
    maxWorkers: 2,
    execArgv: ["--conditions=mcplusplus-source"],
    setupFiles: ["test/kit/compile-cache.ts"],
    // The configuration of whoever runs the tests is none of theirs.
    env: { XDG_CONFIG_HOME: join(import.meta.dirname, "test/kit/no-configuration") },
    testTimeout: 20_000,
    hookTimeout: 20_000,
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      reporter: ["text-summary", "json-summary"],
      thresholds: { lines: 90 },
    },
  },
});
