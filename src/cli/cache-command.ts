import { fault } from "../errors/index.ts";
import { textOf, textsOf } from "./arguments.ts";
import { sizeText } from "./data-command.ts";
import { counted, factLines } from "./table.ts";
import { given, toolCommand, type CommandGroup } from "./tool-command.ts";

const stats = toolCommand({
  name: "cache stats",
  operands: "",
  summary: "show how many results the cache holds, and how large they are",
  flags: {},
  examples: ["mcplusplus cache stats", "mcplusplus cache stats --json"],
  tool: "cache_stats",
  argsOf: () => ({}),
  // Hits and misses are those of this command: it has just opened the cache.
  linesOf: ({ entries, size_bytes, durability, broken }) =>
    factLines([
      ["entries", entries],
      ["size", sizeText(Number(size_bytes))],
      ["durability", durability],
      ["broken", broken === 0 ? null : broken],
    ]),
});

const get = toolCommand({
  name: "cache get",
  operands: "<key>",
  summary: "show the result under a key",
  flags: {},
  examples: ["mcplusplus cache get user:7"],
  tool: "cache_get",
  typed: { key: "<key>" },
  argsOf: ([key]) => ({ key }),
  linesOf: ({ key, found, value, stored_time, expires_time }) =>
    found === true
      ? [
          `${String(key)}, stored ${String(stored_time)}, until ${String(expires_time)}`,
          ...JSON.stringify(value, null, 2).split("\n"),
        ]
      : [`there is nothing under ${String(key)}`],
});

const invalidate = toolCommand({
  name: "cache invalidate",
  operands: "[<key>]",
  summary: "remove the result under a key, or all with a tag or a pattern",
  flags: {
    tag: {
      type: "string",
      multiple: true,
      value: "<tag>",
      help: "in place of <key>: those with one of these tags; may be repeated",
    },
    pattern: {
      type: "string",
      value: "<pattern>",
      help: "in place of <key>: those whose whole key fits; * is any run of characters, ? any one",
    },
  },
  examples: ["mcplusplus cache invalidate user:7", "mcplusplus cache invalidate --pattern 'user:*'"],
  tool: "cache_invalidate",
  typed: { key: "<key>", tags: "--tag" },
  argsOf([key], values) {
    const tags = values["tag"] ? textsOf(values, "tag") : undefined;
    const selection = given({ key, tags, pattern: textOf(values, "pattern") });
    const count = Object.keys(selection).length;
    if (count === 1) return selection;
    const got = count === 0 ? "missing" : "given beside another";
    const allowed = "one of the three: <key>, --tag or --pattern";
    throw fault("INVALID_ARGUMENT", { argument: "what to remove", got, allowed });
  },
  linesOf: ({ removed_count }) => [`removed ${counted(removed_count, "result")}`],
});

const clear = toolCommand({
  name: "cache clear",
  operands: "",
  summary: "remove every result from the cache",
  flags: { yes: { type: "boolean", help: "needed, since it cannot be taken back" } },
  examples: ["mcplusplus cache clear --yes"],
  tool: "cache_clear",
  argsOf: (_, values) => given({ confirm: values["yes"] }),
  linesOf: ({ removed_count }) => [`removed ${counted(removed_count, "result")}`],
});

export const cacheGroup: CommandGroup = {
  name: "cache",
  summary: "results that are kept",
  commands: [stats, get, invalidate, clear],
};
