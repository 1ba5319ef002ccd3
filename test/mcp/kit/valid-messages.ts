import type { Era } from "./connected-client.ts";
import type { LineMutator } from "./mutated-lines.ts";

type Members = Record<string, unknown>;

const CLIENT = { name: "fuzz", version: "1" };
const ENVELOPE = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": CLIENT,
  "io.modelcontextprotocol/clientCapabilities": { extensions: { "io.modelcontextprotocol/tasks": {} } },
};
/** The first words of a client, on which all that follows depends. */
const OPENINGS: Record<Era, readonly Members[]> = {
  legacy: [
    {
      jsonrpc: "2.0",
      id: 0,
      method: "initialize",
      params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: CLIENT },
    },
    { jsonrpc: "2.0", method: "notifications/initialized" },
  ],
  modern: [{ jsonrpc: "2.0", id: 0, method: "server/discover", params: { _meta: ENVELOPE } }],
};

const steps = [
  { step_id: "a", action: "echo", inputs: { n: 1 } },
  { step_id: "b", action: "echo", inputs: { rows: "${{ steps.a.output.n }}" }, depends_on: ["a"] },
];
/** Few ids, so that calls meet what others have made. */
const ids = ["one", "two", "größe"];

/** Calls of tools with right arguments. None of them waits. */
const CALLS: readonly ((id: string, n: number) => readonly [name: string, args: Members])[] = [
  (id, n) => ["workflow_submit", { workflow_id: `${id}-${n}`, name: "W", steps, tags: ["t"], priority: 2 }],
  (id, n) => ["workflow_status", { workflow_id: `${id}-${n}`, include_metrics: true }],
  () => ["workflow_list", { status_filter: "completed", limit: 5, offset: 0 }],
  (id, n) => ["workflow_dependencies", { workflow_id: `${id}-${n}`, fmt: "mermaid" }],
  (id, n) => ["workflow_result", { workflow_id: `${id}-${n}`, include_logs: true }],
  (id, n) => ["workflow_cancel", { workflow_id: `${id}-${n}`, force: true }],
  (id) => ["task_submit", { task_id: id, task_type: "echo", payload: { n: 1 }, delay_seconds: 3_600 }],
  (id, n) => ["task_submit", { task_id: `${id}-${n}`, task_type: "echo", payload: { text: "\u001b[1m" } }],
  (id) => ["task_status", { task_id: id, include_logs: true }],
  () => ["task_list", { tag_filter: ["t"], limit: 3 }],
  (id) => ["task_result", { task_id: id }],
  (id) => ["task_priority", { task_id: id, new_priority: 7 }],
  (id) => ["task_cancel", { task_id: id, reason: "no" }],
  (id) => ["task_retry", { task_id: id, retry_config: {} }],
  () => ["queue_stats", { include_worker_stats: true }],
  () => ["queue_pause", { reason: "lunch" }],
  () => ["queue_resume", {}],
  () => ["queue_clear", { status_filter: "failed" }],
  (id) => ["worker_register", { worker_id: id, capabilities: ["gpu"], max_concurrent_tasks: 2 }],
  (id) => ["worker_status", { worker_id: id, include_tasks: true }],
  (id) => ["worker_unregister", { worker_id: id, graceful: false }],
  () => ["peer_list", { limit: 2 }],
  () => ["deadletter_list", { limit: 5 }],
  (id) => ["deadletter_purge", { task_ids: [id] }],
  (id, n) => ["run_history", { workflow_id: `${id}-${n}`, limit: 5 }],
  (id, n) => ["run_what_if", { workflow_id: `${id}-${n}`, workers: 2 }],
  () => ["template_check", { text: "id: a\nversion: 1.0.0\n", format: "yaml" }],
  (id) => ["cache_get", { key: id }],
  () => ["cache_invalidate", { pattern: "a*" }],
  (id) => ["task_explain", { task_id: id }],
  (id) => ["quota_set", { scope: "type", name: id, concurrency: 3 }],
  () => ["system_doctor", {}],
];

const OTHERS: readonly ((id: string, n: number) => readonly [method: string, params: Members])[] = [
  () => ["tools/list", {}],
  () => ["prompts/list", {}],
  () => ["resources/list", {}],
  () => ["resources/templates/list", {}],
  (id, n) => ["resources/read", { uri: `mcplusplus://runs/${id}-${n}` }],
  (id, n) => ["resources/read", { uri: `mcplusplus://runs/${id}-${n}/dag.svg` }],
  (id) => ["resources/read", { uri: `mcplusplus://tasks/${encodeURIComponent(id)}/output` }],
  () => ["resources/read", { uri: "mcplusplus://metrics" }],
  () => ["prompts/get", { name: "plan_workflow", arguments: { goal: "count", action: "echo" } }],
  (id) => ["prompts/get", { name: "diagnose_workflow", arguments: { workflow_id: id } }],
  () => [
    "completion/complete",
    {
      ref: { type: "ref/prompt", name: "diagnose_workflow" },
      argument: { name: "workflow_id", value: "o" },
      context: { arguments: { action: "echo" } },
    },
  ],
  (id) => ["tasks/get", { taskId: `t.${id}` }],
  (id) => ["tasks/cancel", { taskId: `w.${id}-1` }],
  (id) => ["tasks/update", { taskId: `t.${id}`, inputResponses: {} }],
  () => ["ping", {}],
  () => ["logging/setLevel", { level: "debug" }],
  () => ["resources/subscribe", { uri: "mcplusplus://runs" }],
];

/** What is right, and in this order, as a client of this era says it: an endless conversation. */
export function* validMessages(era: Era, mutator: LineMutator): Generator<Members> {
  yield* OPENINGS[era];
  for (let n = 1; ; n++) {
    const id = mutator.oneOf(ids);
    // Some ids are used again while their requests are under way, and some are texts.
    const requestId = mutator.oneOf<unknown>([n, n, n, `r${n}`, mutator.below(20)]);
    const [method, params] =
      mutator.below(4) === 0 ? mutator.oneOf(OTHERS)(id, mutator.below(9)) : callOf(id);
    const progressToken = mutator.oneOf<unknown>([n, `p${n}`]);
    const asked = mutator.below(6) === 0 ? { progressToken } : {};
    const _meta = era === "modern" ? { ...ENVELOPE, ...asked } : asked;
    yield { jsonrpc: "2.0", id: requestId, method, params: { ...params, _meta } };
    if (mutator.below(15) === 0) yield aside(requestId);
  }

  function callOf(id: string): readonly [string, Members] {
    const [name, args] = mutator.oneOf(CALLS)(id, mutator.below(9));
    return ["tools/call", { name, arguments: args }];
  }

  /** What is not answered. */
  function aside(requestId: unknown): Members {
    return mutator.oneOf<Members>([
      { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId, reason: "no need" } },
      { jsonrpc: "2.0", method: "notifications/roots/list_changed" },
      { jsonrpc: "2.0", id: requestId, result: { roots: [] } },
      { jsonrpc: "2.0", id: 9_999, error: { code: -1, message: "no" } },
    ]);
  }
}
