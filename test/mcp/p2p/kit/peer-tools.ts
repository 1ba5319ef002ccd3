import { fault } from "../../../../src/errors/index.ts";
import { z } from "../../../../src/schema/zod-schema.ts";
import { defineTool, type Tool } from "../../../../src/tools/tool.ts";

const READS = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };
const DESTROYS = { ...READS, readOnlyHint: false, destructiveHint: true };
const answer = z.looseObject({ success: z.boolean() });

/** Tools that need no system, with what a test wants to know of their calls. */
export function peerTools() {
  const wiped: number[] = [];
  const held = new Map<string, { resolve: () => void; signal: AbortSignal }>();
  const tools: Tool[] = [
    defineTool({
      name: "repeat",
      title: "Repeat",
      description: "Says a text again.",
      input: z.strictObject({
        text: z.string().max(50_000),
        times: z.number().int().min(1).max(2_000).default(1),
      }),
      output: answer,
      hints: READS,
      echo: [],
      run: async ({ text, times }) => ({ text: text.repeat(times) }),
    }),
    defineTool({
      name: "fall",
      title: "Fall",
      description: "Fails.",
      input: z.strictObject({}),
      output: answer,
      hints: READS,
      echo: [],
      run: () => Promise.reject(fault("UNAVAILABLE", { what: "the floor", why: "it is wet" })),
    }),
    defineTool({
      name: "hold",
      title: "Hold",
      description: "Ends when it is told to.",
      input: z.strictObject({ name: z.string() }),
      output: answer,
      hints: READS,
      echo: [],
      // Longer than any request of a peer may take.
      waitsMs: () => 3_600_000,
      run: ({ name }, { signal }) =>
        new Promise((resolve, reject) => {
          held.set(name, { resolve: () => resolve({ name }), signal });
          signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        }),
    }),
    defineTool({
      name: "wipe",
      title: "Wipe",
      description: "Destroys. Needs confirm: true.",
      input: z.strictObject({ rows: z.number(), confirm: z.boolean().default(false) }),
      output: answer,
      hints: DESTROYS,
      echo: [],
      refuse({ confirm }, { confirmation }) {
        if (!confirm) throw fault("CONFIRMATION_REQUIRED", { what: "wiping", how: confirmation });
      },
      preview: async ({ rows }) => `${rows} rows would go.`,
      run: async ({ rows }) => ({ wiped: wiped.push(rows) }),
    }),
  ];
  return {
    tools,
    wiped,
    /** Calls of `hold` that run, or ran, by their names. */
    held,
  };
}
