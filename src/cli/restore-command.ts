import { restoreData } from "../system/index.ts";
import { dataCommand, sizeText } from "./data-command.ts";
import { counted } from "./table.ts";
import { dataOf } from "./setting-flags.ts";

export const restoreCommand = dataCommand({
  name: "restore",
  operands: "<backup>",
  summary: "make a data directory of a backup, after checking every hash",
  flags: {
    replace: {
      type: "boolean",
      help: "move a data directory that is in the way aside, to <dir>.before-restore-<time>",
    },
  },
  examples: [
    "mcplusplus restore /backups/monday --data ./restored",
    "mcplusplus restore /backups/monday --replace",
  ],
  async act([backup = ""], values, { signal, progress }) {
    const { path, createdAt, files, sizeBytes, movedTo } = await restoreData({
      backup,
      data: dataOf(values),
      replace: values["replace"] === true,
      signal,
      onProgress: (done) =>
        progress(
          `restored ${done.files} of ${counted(done.filesTotal, "file")}, ${sizeText(done.sizeBytes)}`,
        ),
    });
    return {
      answer: { path, created_at: createdAt, files, size_bytes: sizeBytes, moved_to: movedTo },
      lines: [
        ...(movedTo === null ? [] : [`moved what was there to ${movedTo}`]),
        `restored the backup of ${createdAt}: ${counted(files, "file")}, ${sizeText(sizeBytes)}`,
        `wrote ${path}`,
      ],
    };
  },
});
