import { LIMITS } from "../../errors/index.ts";
import { invalidArgument, shortText } from "../../schema/index.ts";
import type { TaskRequest } from "../../system/index.ts";
import type { Members } from "./frame.ts";
import { isMembers } from "./peer-message.ts";

/** Of names that peers give: of workers, sessions and keys. */
const NAME_CHARS = 100;
/** The published defaults and ranges. */
const DEFAULT_TYPE = "text-generation";
const PRIORITY = { least: 1, most: 10, default: 5 } as const;
const ATTEMPTS = 3;

/** What tasks that belong to a session, or to one worker, require of whoever takes them. */
const SESSION = "task_queue.session:";
const WORKER = "task_queue.worker:";

/** A text without what surrounds it; undefined when there is none. @throws INVALID_ARGUMENT */
export function textIn(args: Members, name: string, charsMax = NAME_CHARS): string | undefined {
  const value = args[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string" || value.length > charsMax)
    throw invalidArgument(name, shortText(value), `a text of at most ${charsMax} characters`);
  const text = value.trim();
  return text === "" ? undefined : text;
}

/** @throws INVALID_ARGUMENT */
export function wholeIn(
  args: Members,
  name: string,
  { least, most, otherwise }: { least: number; most: number; otherwise: number },
): number {
  const value = args[name] ?? otherwise;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most)
    return value;
  throw invalidArgument(name, shortText(value), `a whole number from ${least} to ${most}`);
}

/** Milliseconds. @throws INVALID_ARGUMENT */
export function secondsIn(args: Members, name: string, otherwise: number): number {
  const value = args[name] ?? otherwise;
  if (typeof value === "number" && Number.isFinite(value) && value >= 0) return value * 1_000;
  throw invalidArgument(name, shortText(value), "seconds, 0 or more");
}

/** A list of texts, or one text with commas; undefined when nothing is named. @throws INVALID_ARGUMENT */
export function typesIn(args: Members): readonly string[] | undefined {
  const given = args["supported_task_types"] ?? args["task_types"];
  if (given === undefined || given === null) return undefined;
  const list: unknown = typeof given === "string" ? given.split(",") : given;
  const most = LIMITS.mcp.peerTaskTypes;
  if (!Array.isArray(list) || list.length > most || !list.every((each) => typeof each === "string"))
    throw invalidArgument("task_types", shortText(given), `at most ${most} texts`);
  const types = list.map((each: string) => each.trim()).filter((each) => each !== "");
  return types.length === 0 ? undefined : types;
}

/** What a claim can do beside the types: the tasks of its session, and those that wait for this very worker. */
export function claimCapabilities(args: Members, workerId: string): string[] {
  const session = textIn(args, "session_id");
  return [`${WORKER}${workerId}`, ...(session === undefined ? [] : [`${SESSION}${session}`])];
}

/** Whose task it is, so that it finds its own. */
export const tagOf = (peerId: string): string => `peer:${peerId}`;

export const typeIn = (args: Members): string =>
  textIn(args, "task_type", LIMITS.queue.nameChars) ?? DEFAULT_TYPE;

/** @throws INVALID_ARGUMENT */
export function submitted(args: Members, peerId: string, nowMs: number): TaskRequest {
  const model = textIn(args, "model_name", LIMITS.queue.nameChars);
  const given = args["payload"];
  const payload: Members = isMembers(given) ? given : { payload: given ?? null };
  const key = textIn(payload, "idempotency_key");
  const priority = wholeIn(payload, "priority", { ...PRIORITY, otherwise: PRIORITY.default });
  const attempts = wholeIn(payload, "max_attempts", {
    least: 1,
    most: LIMITS.queue.attempts,
    otherwise: ATTEMPTS,
  });
  const delayMs = secondsIn(payload, "next_attempt_at", 0) - nowMs;
  const input = model === undefined || "model_name" in payload ? payload : { ...payload, model_name: model };
  return {
    action: typeIn(args),
    input,
    priority,
    attempts,
    tags: [tagOf(peerId)],
    requires: requiredBy(payload),
    metadata: { peer_id: peerId },
    ...(delayMs > 0 && { delayMs: Math.min(delayMs, LIMITS.queue.delayMs) }),
    // The key of one peer is not that of another.
    ...(key !== undefined && { idempotencyKey: `peer:${peerId}:${key}` }),
  };
}

function requiredBy(payload: Members): string[] {
  const session =
    textIn(payload, "session_id") ?? textIn(payload, "session") ?? textIn(payload, "p2p_session");
  const worker = textIn(payload, "sticky_worker_id");
  return [
    ...(session === undefined ? [] : [`${SESSION}${session}`]),
    ...(worker === undefined ? [] : [`${WORKER}${worker}`]),
  ];
}
