import { fault } from "../errors/index.ts";
import { numberOf, textOf, type Flags, type Values } from "./arguments.ts";
import { tableLines } from "./table.ts";
import { given, toolCommand, type CommandGroup } from "./tool-command.ts";

const scopeFlags: Flags = {
  action: { type: "string", value: "<name>", help: "the tasks of this action" },
  tag: { type: "string", value: "<tag>", help: "in place of --action: the tasks with this tag" },
};

/** @throws INVALID_ARGUMENT unless one of the two is given */
function scopeArgs(values: Values): Record<string, unknown> {
  const [action, tag] = [textOf(values, "action"), textOf(values, "tag")];
  if ((action === undefined) === (tag === undefined)) {
    const got = action === undefined ? "missing" : "given beside --tag";
    throw fault("INVALID_ARGUMENT", {
      argument: "--action",
      got,
      allowed: "one of the two: --action or --tag",
    });
  }
  return action === undefined ? { scope: "tag", name: tag } : { scope: "action", name: action };
}

const BOUNDS = ["concurrency", "per-second", "burst", "queued", "weight"] as const;

const set = toolCommand({
  name: "quota set",
  operands: "",
  summary: "bound all tasks of an action or a tag; what is left out does not hold any more",
  flags: {
    ...scopeFlags,
    concurrency: { type: "string", value: "<n>", help: "attempts that run at once; 0 holds them all" },
    "per-second": { type: "string", value: "<n>", help: "starts per second" },
    burst: {
      type: "string",
      value: "<n>",
      help: "starts at once after a pause (default: one second's worth)",
    },
    queued: { type: "string", value: "<n>", help: "queued tasks; a submit beyond it is refused" },
    weight: { type: "string", value: "<n>", help: "of a tag: its share of the starts, others having 1" },
  },
  examples: [
    "mcplusplus quota set --action resize --concurrency 2",
    "mcplusplus quota set --tag nightly --per-second 0.5 --weight 3",
  ],
  tool: "quota_set",
  argsOf(_, values) {
    const bounds = BOUNDS.map((flag) => [flag.replace("-", "_"), numberOf(values, flag)] as const);
    // A burst bounds nothing by itself.
    if (bounds.every(([name, value]) => value === undefined || name === "burst")) {
      const allowed = "at least one of --concurrency, --per-second, --queued and --weight";
      throw fault("INVALID_ARGUMENT", { argument: "the bound", got: "missing", allowed });
    }
    return { ...scopeArgs(values), ...given(Object.fromEntries(bounds)) };
  },
  linesOf: (answer) => [`the quota of the ${String(answer["scope"])} ${String(answer["name"])} holds`],
});

const list = toolCommand({
  name: "quota list",
  operands: "",
  summary: "list the quotas, and how many tasks run and wait under each",
  flags: {},
  examples: ["mcplusplus quota list"],
  tool: "quota_list",
  argsOf: () => ({}),
  linesOf({ quotas }) {
    const rows = (quotas as Record<string, unknown>[]).map((quota) => [
      quota["scope"],
      quota["name"],
      ...BOUNDS.map((flag) => quota[flag.replace("-", "_")]),
      quota["running_tasks"],
      quota["waiting_tasks"],
    ]);
    const bounds = BOUNDS.map((flag) => flag.replace("-", " ").toUpperCase());
    return rows.length === 0
      ? ["no quotas"]
      : tableLines(["OF", "NAME", ...bounds, "RUNNING", "WAITING"], rows);
  },
});

const remove = toolCommand({
  name: "quota remove",
  operands: "",
  summary: "remove a quota",
  flags: scopeFlags,
  examples: ["mcplusplus quota remove --tag nightly"],
  tool: "quota_remove",
  argsOf: (_, values) => scopeArgs(values),
  linesOf: ({ scope, name }) => [`nothing bounds the tasks of the ${String(scope)} ${String(name)} any more`],
});

export const quotaGroup: CommandGroup = {
  name: "quota",
  summary: "bounds and shares of actions and tags",
  commands: [set, list, remove],
};
