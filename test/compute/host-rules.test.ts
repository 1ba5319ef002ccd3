import { describe, expect, it } from "vitest";
import { HostRules } from "../../src/compute/host-rules.ts";

const allows = (rule: string, host: string, port = 443): boolean => {
  const rules = new HostRules([rule]);
  return rules.allowsName(host, port) || rules.allowsAddress(host, port);
};

describe("a rule for hosts", () => {
  it.each([
    ["api.example.com", "api.example.com"],
    ["API.Example.COM.", "api.example.com"],
    ["bücher.example", "xn--bcher-kva.example"],
    ["*.example.com", "a.b.example.com"],
    ["*", "anything.example"],
    ["192.0.2.7", "192.0.2.7"],
    ["::1", "::1"],
    ["[::1]", "0:0:0:0:0:0:0:1"],
    ["10.0.0.0/8", "10.255.1.2"],
    ["10.0.0.0/8", "::ffff:10.1.2.3"],
    ["fd00::/8", "fd12::1"],
  ])("%s allows %s, on every port", (rule, host) => {
    expect([allows(rule, host), allows(rule, host, 8_080)]).toEqual([true, true]);
  });

  it.each([
    ["api.example.com", "example.com"],
    ["api.example.com", "evil-api.example.com"],
    ["api.example.com", "api.example.com.evil.example"],
    ["*.example.com", "example.com"],
    ["*.example.com", "evilexample.com"],
    ["10.0.0.0/8", "11.0.0.1"],
    ["192.0.2.7", "192.0.2.8"],
    ["fd00::/8", "fe80::1"],
    ["localhost", "127.0.0.1"],
  ])("%s does not allow %s", (rule, host) => {
    expect(allows(rule, host)).toBe(false);
  });

  it("* takes an address for a name, and allows no address by itself", () => {
    const rules = new HostRules(["*"]);
    expect([rules.allowsName("127.0.0.1", 80), rules.allowsAddress("127.0.0.1", 80)]).toEqual([true, false]);
  });

  it.each([
    ["localhost:8080", "localhost"],
    ["*.example.com:8080", "a.example.com"],
    ["127.0.0.1:8080", "127.0.0.1"],
    ["[::1]:8080", "::1"],
  ])("%s allows its port only", (rule, host) => {
    expect([allows(rule, host, 8_080), allows(rule, host, 8_081)]).toEqual([true, false]);
  });

  it.each([
    [""],
    [" "],
    ["https://api.example.com"],
    ["api.example.com/path"],
    ["user@api.example.com"],
    ["a b.example"],
    ["*.*.example"],
    ["a.*"],
    ["0x7f.1"],
    ["2130706433"],
    ["10.0.0.0/33"],
    ["fd00::/129"],
    ["10.0.0/8"],
    ["localhost:0"],
    ["localhost:65536"],
    ["localhost:"],
    ["[localhost]:80"],
    ["[::1"],
    ["-a.example"],
    ["a..example"],
  ])("%j is none, and is refused with what is", (text) => {
    expect(() => new HostRules([text])).toThrow(
      expect.objectContaining({
        code: "INVALID_ARGUMENT",
        message: expect.stringContaining("a range like 10.0.0.0/8") as string,
      }),
    );
  });
});
