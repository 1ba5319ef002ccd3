// The command as an installed package runs it; in a clone `bin/mcplusplus.cjs` takes the sources.
import { main } from "../../dist/cli/main.js";

process.exitCode = await main(process.argv.slice(2));
