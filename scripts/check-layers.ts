/**
 * The layer check. The checker itself is content with a tree that it cannot read ("no violations found, 0 modules"),
 * so the number of modules is asserted first.
 */
import { cruiseTree } from "./cruised-tree.ts";

const { modules, violations } = await cruiseTree(new URL("..", import.meta.url).pathname);
const own = modules.filter(({ source }) => source.startsWith("src/"));

for (const { rule, from, to, reason } of violations) {
  process.stderr.write(`${rule}: ${from} -> ${to}\n    ${reason}\n`);
}
if (own.length === 0)
  process.stderr.write("no module of src was read: the checker does not see TypeScript\n");
else process.stdout.write(`${own.length} modules of src read, ${violations.length} violations\n`);
process.exitCode = own.length === 0 || violations.length > 0 ? 1 : 0;
