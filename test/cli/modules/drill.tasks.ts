import { appendFile, mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { defineTasks, handler } from "mcplusplus";
import * as z from "zod";

/** Handlers that do what handlers should not, and some that behave. */
export default defineTasks({
  throws: handler({
    run() {
      throw new TypeError("the first line\nand a second one");
    },
  }),
  loops: handler({
    run() {
      for (;;);
    },
  }),
  growsList: handler({
    run() {
      const kept: object[] = [];
      for (;;) kept.push({ id: kept.length, name: `row ${kept.length}` });
    },
  }),
  growsArray: handler({
    run() {
      const numbers: number[] = [];
      for (;;) numbers.push(numbers.length + 0.5);
    },
  }),
  growsMap: handler({
    run() {
      const map = new Map<number, object>();
      for (;;) map.set(map.size, { of: map.size });
    },
  }),
  growsText: handler({
    run() {
      const texts: string[] = [];
      // Reading one character makes V8 lay the text out in one piece.
      for (;;) if (texts[texts.push(`${texts.length}é€`.repeat(1_000_000)) - 1]?.at(5) === "") return;
    },
  }),
  growsBuffers: handler({
    run() {
      const buffers: Float64Array[] = [];
      for (;;) buffers.push(new Float64Array(1_000_000).fill(1));
    },
  }),
  /** Makes fifty times what it holds at any time. */
  litters: handler({
    run() {
      let rows = Array.from({ length: 60_000 }, (_, id) => ({ id, name: `row ${id}`, visits: 0 }));
      for (let round = 0; round < 50; round++) {
        rows = rows.map((row) => ({ ...row, visits: row.visits + 1 }));
      }
      return rows.at(-1);
    },
  }),
  exits: handler({
    run() {
      process.exit(0);
    },
  }),
  prints: handler({
    run() {
      console.log("printed by a handler");
      return "done";
    },
  }),
  /** Waits until it is cancelled; `file` then tells that its `finally` has run. */
  waits: handler({
    input: z.object({ file: z.string(), started: z.string() }),
    async run({ file, started }, context) {
      await mkdir(dirname(context.path(file)), { recursive: true });
      try {
        await writeFile(context.path(started), "started");
        await pause(3_600_000, undefined, { signal: context.signal });
        return "never";
      } finally {
        await writeFile(context.path(file), "finally has run");
      }
    },
  }),
  /** Leaves a line per run, so that a test can count the runs. */
  counts: handler({
    input: z.object({ file: z.string(), line: z.string() }),
    async run({ file, line }, context) {
      await appendFile(context.path(file), `${line}\n`);
      return line;
    },
  }),
});
