import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The tests that make networks of their own: `vitest.config.ts` lists them. Most need root, iproute2, iptables and coturn. */
const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
const { status } = spawnSync(process.execPath, [vitest, "run", ...process.argv.slice(2)], {
  env: { ...process.env, LABORATORY: "1" },
  stdio: "inherit",
});
process.exitCode = status ?? 1;
