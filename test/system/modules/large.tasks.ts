import { Reference, defineTasks, fault, handler } from "mcplusplus";
import * as z from "zod";

/** Handlers whose outputs are too large for a message, each of its own content. */
export default defineTasks({
  write: handler({
    input: z.object({ word: z.string() }),
    run: ({ word }) => ({ word, text: word.repeat(100_000) }),
  }),
  /** Parts that are stored apart, in a small output or in a large one. */
  parts: handler({
    input: z.object({ word: z.string(), pad: z.number() }),
    run: async ({ word, pad }, { keep }) => ({ part: await keep({ word }), pad: "x".repeat(pad) }),
  }),
  refuse: handler({
    run: () => {
      throw fault("UNAVAILABLE", { what: "the handler", why: "it always refuses" });
    },
  }),
  /** Names a value that it has from somewhere. */
  name: handler({
    input: z.object({ sha256: z.string() }),
    run: ({ sha256 }) => new Reference(sha256, 1),
  }),
});
