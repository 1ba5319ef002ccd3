import { backupData } from "../system/index.ts";
import { dataCommand, sizeText } from "./data-command.ts";
import { counted } from "./table.ts";
import { dataOf } from "./setting-flags.ts";

export const backupCommand = dataCommand({
  name: "backup",
  operands: "<directory>",
  summary: "copy a data directory, with all hashes, into a directory that is empty or new",
  flags: {},
  examples: [
    "mcplusplus backup /backups/monday",
    "mcplusplus backup /backups/monday --data ~/.local/share/mcplusplus --json",
  ],
  async act([directory = ""], values, { signal, progress }) {
    const { path, createdAt, files, blobs, sizeBytes, damagedBlobs, leftOut } = await backupData(
      dataOf(values),
      directory,
      {
        signal,
        onProgress: (done) => progress(`copied ${counted(done.files, "file")}, ${sizeText(done.sizeBytes)}`),
      },
    );
    return {
      answer: {
        path,
        created_at: createdAt,
        files,
        blobs,
        size_bytes: sizeBytes,
        damaged_blobs: damagedBlobs,
        left_out: leftOut,
      },
      lines: [
        `backup of ${createdAt}: ${counted(files, "file")} (${counted(blobs, "large value")}), ${sizeText(sizeBytes)}`,
        ...damagedBlobs.map(
          (sha256) => `the large value ${sha256} was damaged before; it was copied as it is`,
        ),
        ...leftOut.map((name) => `${name} is damaged and was left out; a new one is begun after a restore`),
        `wrote ${path}`,
      ],
    };
  },
});
