import { fault } from "../errors/index.ts";
import { withReader } from "./driver.ts";
import { isLocked, writeFault } from "./store-fault.ts";

/** Findings of one file that are told. */
const FINDINGS = 20;

/**
 * Looks through a whole file, indexes too, and changes nothing. It takes time in proportion to the size.
 *
 * @returns what is wrong, one sentence each, up to 20; empty when all is well
 * @throws STORE_OWNED while somebody has it open: its owner has looked through it then
 * @see https://www.sqlite.org/pragma.html#pragma_integrity_check
 */
export function checkStore(path: string): string[] {
  try {
    return withReader(path, (database) => {
      const rows = database.prepare(`PRAGMA integrity_check(${FINDINGS})`).all();
      const found = rows.map((row) => String(row["integrity_check"]));
      return found.filter((finding) => finding !== "ok");
    });
  } catch (error) {
    if (isLocked(error)) throw fault("STORE_OWNED", { path }, { cause: error });
    return [writeFault(path, error).message];
  }
}
