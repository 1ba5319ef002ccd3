import { LIMITS, fault, isFault, toWireError } from "../errors/index.ts";
import { ToolRouter, type RoutedCall } from "../router/index.ts";
import { findNonWire } from "../schema/index.ts";
import type { System } from "../system/index.ts";
import { validTraceparent } from "../telemetry/index.ts";
import { TemplateRegistry } from "../workflow/template.ts";
import { runOnThread } from "./compute.ts";
import { plainJson } from "./plain-json.ts";
import type { Tool } from "./tool.ts";
import { inWords, wordsOf, type Words } from "./words.ts";

/** Where a call comes from: the system is opened for it when its arguments are right. */
export interface ToolCaller {
  readonly open: () => Promise<System>;
  readonly signal: AbortSignal;
  /** What carries its calls out, and measures them; default: one for this call alone. */
  readonly router?: ToolRouter;
  /** Those that the tools of templates are about; default: none. */
  readonly templates?: TemplateRegistry;
  /** W3C trace context of whoever calls, as it came: an invalid one counts for none. */
  readonly traceparent?: unknown;
  /** Hears how far the call is, from 0 to 1, as far as its tool tells that. */
  readonly onProgress?: (fraction: number, message: string) => void;
  /** The longest time that the call may take or wait, whatever its tool and its arguments allow; default: none. */
  readonly timeoutMsMax?: number;
  /** In which refusals are told; default: those of a client. */
  readonly words?: Words;
}

const NO_TEMPLATES = new TemplateRegistry();

/** What the answer may take beyond the wait that the arguments ask for. */
const MARGIN_MS = 5_000;

/**
 * Carries out a call. Never throws: what went wrong is the answer, in the one shape that every tool has for it.
 *
 * @param args as they came; they are checked here
 * @returns plain JSON
 */
export async function callTool(
  tool: Tool,
  args: unknown,
  caller: ToolCaller,
): Promise<Record<string, unknown>> {
  const { router = new ToolRouter(), words = wordsOf(tool) } = caller;
  const call = router.begin(tool);
  const answer = await answerOf(tool, args, call, { ...caller, words }).catch((error: unknown) =>
    failureOf(tool, args, inWords(error, words)),
  );
  call.end(answer["success"] === true);
  return answer;
}

async function answerOf(
  tool: Tool,
  args: unknown,
  call: RoutedCall,
  caller: ToolCaller & { readonly words: Words },
): Promise<Record<string, unknown>> {
  const { open, signal, templates = NO_TEMPLATES, onProgress: report, timeoutMsMax, words } = caller;
  const found = findNonWire(args, ARGUMENTS);
  if (found !== undefined)
    throw fault("INPUT_INVALID", { what: words.what, problems: [`it holds ${found}`] });
  const checked = await tool.input.check(args ?? {}, words.nameOf);
  if (checked.problems) throw fault("INPUT_INVALID", { what: words.what, problems: checked.problems });
  const { value } = checked;
  tool.refuse?.(value, words);
  const traceparent = validTraceparent(caller.traceparent);
  const system = await open();
  const waitsMs = tool.waitsMs ? tool.waitsMs(value) + MARGIN_MS : 0;
  const longestMs = timeoutMsMax ?? Infinity;
  const ownMs = Math.min(tool.metadata.timeoutMs, longestMs);
  const timeoutMs = Math.max(ownMs, Math.min(waitsMs, longestMs + MARGIN_MS));
  const answer = await call.run({ timeoutMs, signal }, (ending) =>
    call.runtime === "compute"
      ? runOnThread(tool, args ?? {}, { system, signal: ending, traceparent })
      : tool.run(value, { system, templates, signal: ending, traceparent, ...(report && { report }) }),
  );
  return plainJson({ success: true, ...answer });
}

function failureOf(tool: Tool, args: unknown, error: unknown): Record<string, unknown> {
  const { message, code } = toWireError(error);
  return {
    success: false,
    error: message,
    code,
    retryable: isFault(error) && error.retryable,
    ...echoOf(tool, args),
    ...(code === "UNAVAILABLE" && tool.degraded?.(args)),
  };
}

/** Levels around the deepest value that they may hold, such as `steps[0].inputs`. */
const ARGUMENTS = { depthMax: LIMITS.schema.wireDepth + 4 };

/** Only texts: what is wrong about an argument may be that it is something else, or longer than any id. */
function echoOf(tool: Tool, args: unknown): Record<string, string> {
  const given = (typeof args === "object" ? args : null) as Record<string, unknown> | null;
  const texts = tool.echo
    .map((name) => [name, given?.[name]] as const)
    .filter(([, value]) => typeof value === "string" && value.length <= LIMITS.queue.nameChars);
  return Object.fromEntries(texts) as Record<string, string>;
}
