import { join } from "node:path";

/**
 * Set-up of every test file: threads that tests start keep what Node makes of TypeScript modules, so that only the
 * first one strips types (see src/compute/compile-cache.ts for why). Coverage switches that cache off for all
 * children; only the test's own process needs that.
 */
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "../../node_modules/.cache/mcplusplus-test");
delete process.env["NODE_DISABLE_COMPILE_CACHE"];
