import { isCancellation } from "../errors/index.ts";
import type { Command, Flags, Values } from "./arguments.ts";
import { oneLine, sentenceFor } from "./failure.ts";
import { openInterrupts } from "./interrupts.ts";
import { settings } from "./setting-flags.ts";

/** What is at hand while a command works on a data directory that nobody has open. */
export interface DataWork {
  readonly signal: AbortSignal;
  /** One line on a terminal that tells how far it is, drawn over the one before; in a pipe and with `--json` nothing. */
  progress(text: string): void;
}

export interface DataVerb extends Omit<Command, "run"> {
  /**
   * Does it. Nothing has been looked at yet.
   *
   * @returns what `--json` shows, and the same in lines for people
   */
  act(
    operands: readonly string[],
    values: Values,
    work: DataWork,
  ): Promise<{ readonly answer: Readonly<Record<string, unknown>>; readonly lines: readonly string[] }>;
  /** Does standard output belong to what the command makes? Then people are told on standard error. */
  readonly writesOut?: (values: Values) => boolean;
}

/** Progress is drawn at most so often. */
const FRAME_MS = 100;

/** A command that works on files while no system is open. */
export function dataCommand({ act, writesOut, flags, ...rest }: DataVerb): Command {
  const all: Flags = {
    ...flags,
    ...settings("data"),
    json: { type: "boolean", help: "one line of JSON at the end, and nothing else" },
  };
  return {
    ...rest,
    flags: all,
    async run(operands, values) {
      process.env["MCPLUSPLUS_LOG"] ??= "error";
      const json = values["json"] === true;
      const tell = (line: string): void => {
        const stream = writesOut?.(values) ? process.stderr : process.stdout;
        stream.write(`${oneLine(line)}\n`);
      };
      const view = openProgress(json);
      const interrupts = openInterrupts((note) => {
        view.clear();
        if (!json) process.stderr.write(`${note}\n`);
      });
      try {
        const { answer, lines } = await act(operands, values, {
          signal: interrupts.signal,
          progress: view.show,
        });
        view.clear();
        if (json) tell(JSON.stringify({ success: true, ...answer }));
        else for (const line of lines) tell(line);
        return 0;
      } catch (error) {
        view.clear();
        // Whoever calls us says nothing of a cancellation; here it is worth a word that nothing was half done.
        if (isCancellation(error)) process.stderr.write(`mcplusplus: ${sentenceFor(error)}\n`);
        throw error;
      } finally {
        interrupts.close();
      }
    },
  };
}

function openProgress(json: boolean): { show(text: string): void; clear(): void } {
  const { stderr } = process;
  const isShown = stderr.isTTY && !json;
  let drawnMs = -Infinity;
  return {
    show(text) {
      const nowMs = performance.now();
      if (!isShown || nowMs - drawnMs < FRAME_MS) return;
      drawnMs = nowMs;
      stderr.write(`\r\x1b[2K${text.slice(0, Math.max(1, stderr.columns - 1))}`);
    },
    clear() {
      if (drawnMs !== -Infinity) stderr.write("\r\x1b[2K");
      drawnMs = -Infinity;
    },
  };
}

/** Bytes for people: 1536 is "1.5 KiB". */
export function sizeText(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let [size, unit] = [bytes, 0];
  while (size >= 1_024 && unit < units.length - 1) [size, unit] = [size / 1_024, unit + 1];
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}
