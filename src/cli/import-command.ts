import { importData } from "../system/index.ts";
import { dataCommand } from "./data-command.ts";
import { counted } from "./table.ts";
import { dataOf } from "./setting-flags.ts";

export const importCommand = dataCommand({
  name: "import",
  operands: "<file>",
  summary: "submit the tasks of an export that have not ended",
  flags: {},
  examples: ["mcplusplus import waiting.ndjson --data ./other"],
  async act([file = ""], values, { signal, progress }) {
    const { imported, known, leftOut, blobs } = await importData({
      file,
      data: dataOf(values),
      signal,
      onProgress: ({ lines, phase }) => progress(`${phase} ${counted(lines, "line")}`),
    });
    const { ended, cancelling, steps, dependents, runs } = leftOut;
    const left = (
      [
        [ended, "ended task"],
        [cancelling, "task that was being cancelled"],
        [steps, "step of a run"],
        [dependents, "task that waits for one of these"],
        [runs, "run"],
      ] as const
    ).filter(([count]) => count > 0);
    return {
      answer: { imported, known, left_out: leftOut, blobs },
      lines: [
        `imported ${counted(imported, "task")}; ${known} were there already`,
        ...(left.length === 0 ? [] : ["left out, for a backup and a restore to carry over:"]),
        ...left.map(([count, noun]) => `  ${count} x ${noun}`),
      ],
    };
  },
});
