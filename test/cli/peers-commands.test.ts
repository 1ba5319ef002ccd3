import { describe, expect, it, onTestFinished } from "vitest";
import { openInline } from "../kit/inline-system.ts";
import { run, temporaryDirectory } from "./kit/command.ts";

const SOMEBODY = "12D3KooWJHaB1uupCfJqk8JvRBEvSRNJebDq3nq6eqEtYkkRad7D";

/** A node that stays, beside those of commands. */
async function node(): Promise<{ data: string; peerId: string; address: string }> {
  const data = temporaryDirectory();
  const system = await openInline({ data, attach: true, threads: 1, network: {} });
  onTestFinished(() => system.close());
  const { peerId, addresses } = await system.peers.node();
  return { data, peerId, address: addresses[0] ?? "" };
}

describe("the commands about peers", () => {
  it("say when their node ends with them, and nothing of it where another process keeps one", async () => {
    const own = await run("peers", "status", "--data", temporaryDirectory());
    expect(own.code).toBe(0);
    expect(own.out).toContain("mcplusplus serve --network keeps one running");
    const kept = await node();
    const asked = await run("peers", "status", "--data", kept.data);
    expect(asked.out).toContain(`id           ${kept.peerId}\n`);
    expect(asked.out).not.toContain("keeps one running");
  });

  it("list a peer with an address that can be copied, and its figures with digits that mean something", async () => {
    const [a, b] = [await node(), await node()];
    expect(await run("peers", "connect", b.address, "--data", a.data)).toMatchObject({ code: 0, err: "" });
    const { out } = await run("peers", "list", "--data", a.data);
    expect(out).toContain(b.address.replace(`/p2p/${b.peerId}`, ""));
    expect(out).not.toContain("…");
    const metrics = await run("peers", "metrics", b.peerId, "--data", a.data);
    expect(metrics.out).toMatch(/^latency ms +(?:not measured|\d+(?:\.\d{1,3})?)$/m);
  });

  it("call a peer's tools by the node of the directory that was named, as far as its grant goes", async () => {
    const [a, b] = [await node(), await node()];
    const allowed = await run("peers", "allow", a.peerId, "--tool", "task_list", "--data", b.data, "--json");
    const { token } = JSON.parse(allowed.out) as { token: string };
    expect(await run("peers", "use", token, "--data", a.data)).toMatchObject({ code: 0, err: "" });
    // Nobody serves tools there: what counts is who has asked.
    const refused = await run("peers", "tools", b.address, "--data", a.data);
    expect(refused).toMatchObject({ code: 1, out: "" });
    expect(refused.err).toContain("does not speak /mcp+p2p/1.0.0");
    const grants = await run("peers", "grants", "--data", b.data);
    expect(grants.out).toContain("task_list");
  });

  it.each([
    [["connect", "nonsense"], `<multiaddr> is "nonsense"; allowed is an address that ends with /p2p/<id>`],
    [["tools", "/ip4/127.0.0.1/tcp/1"], "allowed is an address that ends with /p2p/<id>"],
    [["allow", "foo", "--action", "x"], '<peer> is "foo"; allowed is the id of a peer'],
    [["status", "--bootstrap", "/ip4/127.0.0.1/tcp/1"], '--bootstrap is "/ip4/127.0.0.1/tcp/1"'],
    [["status", "--stun", "a:99999"], '--stun is "a:99999"; allowed is host:port'],
    [["status", "--relay", "x"], '--relay is "x"; allowed is a multiaddr of TCP'],
    [["status", "--reach", "moon"], '--reach is "moon"; allowed is one of machine, lan, internet'],
    [["call", SOMEBODY, "task_list", "[1]"], "<json> is no object"],
  ])("refuse %j in the words that were typed, with exit code 2", async (argv, why) => {
    const { code, out, err } = await run("peers", ...argv, "--data", temporaryDirectory());
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(why);
    expect(err.trimEnd().split("\n")).toHaveLength(1);
  });

  it("and servers name a setting of the network as it was typed, too", async () => {
    const { code, err } = await run(
      "serve",
      "--network",
      "--bootstrap",
      "zzz",
      "--data",
      temporaryDirectory(),
    );
    expect(code).toBe(2);
    expect(err).toContain('mcplusplus: --bootstrap is "zzz"; allowed is a multiaddr of TCP');
  });

  it("refuse a token that is none in one sentence about the token", async () => {
    const { code, err } = await run("peers", "use", "junk", "--data", temporaryDirectory());
    expect(code).toBe(1);
    expect(err).toMatch(/^mcplusplus: the token cannot be used: it is no envelope/);
  });
});
