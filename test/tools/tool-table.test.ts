import { describe, expect, it } from "vitest";
import { ToolRouter } from "../../src/router/index.ts";
import { TOOLS, TOOLSETS, selectTools } from "../../src/tools/index.ts";
import { toolNamed } from "./kit/call.ts";

/** What the contract says of the 26: category, runtime, priority, seconds, retry policy, and what it needs most. */
const TABLE = `
workflow_submit        p2p_workflow     p2p  8 90 exponential io cpu
workflow_status        p2p_workflow     p2p  9 30 none
workflow_cancel        p2p_workflow     p2p 10 20 none
workflow_list          p2p_workflow     p2p  7 30 none
workflow_dependencies  p2p_workflow     p2p  7 15 none cpu
workflow_result        p2p_workflow     p2p  8 20 none
task_submit            p2p_taskqueue    p2p  8 60 exponential io
task_status            p2p_taskqueue    p2p  9 10 none
task_cancel            p2p_taskqueue    p2p 10 15 none
task_list              p2p_taskqueue    p2p  7 30 none
task_priority          p2p_taskqueue    p2p  8 10 none
task_result            p2p_taskqueue    p2p  8 15 none
task_retry             p2p_taskqueue    p2p  8 15 exponential
queue_stats            p2p_queue_mgmt   p2p  7 10 none
queue_pause            p2p_queue_mgmt   p2p  9 10 none
queue_resume           p2p_queue_mgmt   p2p  9 10 none
queue_clear            p2p_queue_mgmt   p2p 10 20 none
worker_register        p2p_worker_mgmt  p2p  9 20 none
worker_unregister      p2p_worker_mgmt  p2p  9 15 none
worker_status          p2p_worker_mgmt  p2p  7 10 none
peer_discover          p2p_peer_mgmt    p2p  7 30 none io peers
peer_connect           p2p_peer_mgmt    p2p  8 30 none io peers
peer_disconnect        p2p_peer_mgmt    p2p  8 15 none io peers
peer_list              p2p_peer_mgmt    p2p  7 30 none io peers
peer_metrics           p2p_peer_mgmt    p2p  6 15 none io peers
bootstrap_network      p2p_bootstrap    p2p  8 60 none io peers
`;

describe("the 26 tools", () => {
  const tools = selectTools();

  it("are those that are offered by default, with the metadata of the contract, in its order", () => {
    const rows = tools.map(({ name, metadata }) => {
      const { category, runtime, priority, timeoutMs, retryPolicy } = metadata;
      const needs = { io: metadata.ioIntensive, cpu: metadata.cpuIntensive, peers: metadata.requiresPeers };
      const most = Object.entries(needs).flatMap(([need, is]) => (is ? [need] : []));
      return [name, category, runtime, priority, timeoutMs / 1_000, retryPolicy, ...most].join(" ");
    });
    expect(rows).toEqual(
      TABLE.trim()
        .split("\n")
        .map((row) => row.replaceAll(/ +/g, " ")),
    );
  });

  it("leave nothing out of their metadata; nor do all others", () => {
    const router = new ToolRouter();
    router.register(TOOLS);
    expect(router.registry.incomplete()).toEqual([]);
    expect(router.registry.statistics()).toMatchObject({
      tools: TOOLS.length,
      requirePeers: TOOLSETS.peers.length + TOOLSETS.remote.length,
    });
  });

  it("are repeated by the router only where doing it twice is as doing it once", () => {
    const repeated = TOOLS.filter(({ metadata }) => metadata.idempotent && metadata.retryPolicy !== "none");
    expect(repeated.map(({ name }) => name)).toEqual(["workflow_submit", "task_submit"]);
    for (const { metadata, hints } of TOOLS) expect(metadata.idempotent).toBe(hints.idempotentHint);
    expect(toolNamed("task_retry").metadata.idempotent).toBe(false);
  });
});
