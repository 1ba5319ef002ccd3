import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/errors/index.ts";
import { askPublicAddress, type LearnedAddress } from "../../../src/peers/nat/public-address.ts";
import { isPublicAddress } from "../../../src/schema/special-addresses.ts";
import { systemClock } from "../../../src/scope/index.ts";
import { hangs, says, serve, trickles, type Answer, type AnsweringService } from "./answering-service.ts";

const V4 = "8.8.4.4";
const V6 = "2600:1901::5";
const never = new AbortController().signal;
/** Twenty times as fast. */
const fast = {
  ...systemClock,
  at: (atMs: number, run: () => void) =>
    systemClock.at(systemClock.now() + (atMs - systemClock.now()) / 20, run),
};

async function ask(
  answers: readonly Answer[],
  { signal = never, accepts = isPublicAddress } = {},
): Promise<LearnedAddress & { readonly why: readonly (string | undefined)[]; readonly asked: number[] }> {
  await using stack = new AsyncDisposableStack();
  const services: AnsweringService[] = [];
  for (const answer of answers) services.push(stack.use(await serve(answer)));
  const urls = services.map(({ url }) => url);
  const learned = await askPublicAddress(urls, { clock: fast, signal, fetch, accepts });
  return {
    ...learned,
    why: urls.map((url) => learned.failures[url]),
    asked: services.map((service) => service.asked()),
  };
}

describe("the public address", () => {
  it("is the first value that two services say, though one lies at once and others fail in every way", async () => {
    const redirect: Answer = (_request, response) => {
      response.writeHead(302, { location: "http://127.0.0.1:9/" });
      response.end();
    };
    const found = await ask([
      says("9.9.9.9"),
      says("<html>sign in</html>"),
      says("192.168.1.1"),
      says(V4, 503),
      redirect,
      says("1".repeat(LIMITS.bootstrap.ipAnswerBytes + 1)),
      hangs,
      trickles(V4),
      says(`${V4}\n`),
      says(V4),
    ]);
    expect(found).toMatchObject({ ipv4: V4, ipv6: null, confirmed: true });
    expect(found.asked).toEqual(Array(10).fill(1));
    expect(found.why.slice(0, 6)).toEqual([
      undefined,
      "the answer is no address",
      "the answer is no public address",
      "it answered with status 503",
      expect.stringMatching(/redirect/),
      `its answer has more than ${LIMITS.bootstrap.ipAnswerBytes} bytes`,
    ]);
  });

  it("is told of each family apart", async () => {
    const found = await ask([says(V4), says(V6), says(V4), says("2600:1901:0:0::5")]);
    expect(found).toMatchObject({ ipv4: V4, ipv6: V6, confirmed: true });
  });

  it("gives the other family half a second when one is known, and no more", async () => {
    const slow: Answer = (_request, response) => void setTimeout(() => response.end(V6), 5);
    expect(await ask([says(V4), says(V4), slow, slow])).toMatchObject({ ipv4: V4, ipv6: V6 });
    const startMs = performance.now();
    expect(await ask([says(V4), says(V4), hangs])).toMatchObject({ ipv4: V4, ipv6: null, confirmed: true });
    expect(performance.now() - startMs).toBeLessThan(1_000);
  });

  it("that one service says and none contradicts is told as unconfirmed", async () => {
    expect(await ask([says(V4)])).toMatchObject({ ipv4: V4, confirmed: false });
    expect(await ask([says(V4), hangs, says("no")])).toMatchObject({ ipv4: V4, confirmed: false });
  });

  it("that one service says is left out when another is confirmed", async () => {
    expect(await ask([says(V4), says(V4), says(V6)])).toMatchObject({
      ipv4: V4,
      ipv6: null,
      confirmed: true,
    });
  });

  it("is null when services contradict each other, when all fail, and when there is none", async () => {
    const nothing = { ipv4: null, ipv6: null, confirmed: false };
    expect(await ask([says(V4), says("9.9.9.9")])).toMatchObject(nothing);
    expect(await ask([hangs, says("x")])).toMatchObject(nothing);
    expect(await ask([])).toMatchObject(nothing);
  });

  it("is null at once when the question is ended", async () => {
    const end = new AbortController();
    const endsIt: Answer = () => end.abort();
    expect(await ask([endsIt, hangs], { signal: end.signal })).toMatchObject({ ipv4: null });
    expect(await ask([says(V4), says(V4)], { signal: end.signal })).toMatchObject({ ipv4: null });
  });

  it("of a service that does not answer ends with the reason", async () => {
    const { why } = await ask([hangs]);
    expect(why).toEqual(["no answer within 3 s"]);
  });

  it.each([
    "127.0.0.1",
    "10.1.2.3",
    "172.31.255.255",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.1.1",
    "0.0.0.0",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.255",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "::ffff:8.8.4.4",
    "64:ff9b::808:404",
    "ff02::1",
    "1",
    "127.1",
    "8.8.4.4 8.8.4.4",
    "08.8.4.4",
    "8.8.4.4:80",
    "",
    "localhost",
  ])("is never %j", async (text) => {
    expect(isPublicAddress(text)).toBe(false);
    expect(await ask([says(text), says(text)])).toMatchObject({ ipv4: null, ipv6: null });
  });

  it.each([V4, "1.1.1.1", "172.32.0.1", "100.128.0.1", V6, "2a00:1450:4001::1"])("may be %s", (text) => {
    expect(isPublicAddress(text)).toBe(true);
  });
});
