import { openSupervisor } from "../../../src/supervisor/index.ts";
import { createJournal } from "./journal.ts";
import { Part } from "./part.protocol.ts";

/** A program whose actors print, run by a test that looks at where it comes out. */
const module = new URL("./part.actor.ts", import.meta.url).href;
for (const supervisor of ["host", "thread"] as const) {
  const handle = openSupervisor({ supervisor });
  const part = await handle.spawn(Part, { module, init: { id: 0, journal: createJournal() } });
  await part.call.print({ text: `printed under ${supervisor}` });
  await handle.close();
}
console.log("the program's own line");
