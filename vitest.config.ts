import { join } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";

/** Minutes of real time, in networks of their own: `npm run laboratory` runs these, and `npm test` all others. */
const LABORATORY = [
  "test/mesh/laboratory.test.ts",
  "test/mesh/partition.test.ts",
  "test/mesh/network-restart.test.ts",
  "test/peers/registry/lossy-link.test.ts",
];
const inLaboratory = process.env["LABORATORY"] === "1";

export default defineConfig({
  // The examples import the package by its own name; "mcplusplus-source" points that name at src/ without a build.
  resolve: { conditions: ["mcplusplus-source"] },
  ssr: { resolve: { conditions: ["mcplusplus-source"] } },
  test: {
    include: inLaboratory ? LABORATORY : ["test/**/*.test.ts"],
    exclude: inLaboratory ? [] : [...configDefaults.exclude, ...LABORATORY],
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
