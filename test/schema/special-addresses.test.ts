import { describe, expect, it } from "vitest";
import { specialKindOf } from "../../src/schema/special-addresses.ts";

describe("the kind of an address", () => {
  it.each([
    ["0.0.0.0", "the unspecified address"],
    ["::", "the unspecified address"],
    ["127.0.0.1", "a loopback address"],
    ["127.255.255.254", "a loopback address"],
    ["::1", "a loopback address"],
    ["::ffff:127.0.0.1", "a loopback address"],
    ["::ffff:7f00:1", "a loopback address"],
    ["169.254.169.254", "a cloud's metadata address"],
    ["168.63.129.16", "a cloud's metadata address"],
    ["fd00:ec2::254", "a cloud's metadata address"],
    ["169.254.1.1", "a link-local address"],
    ["fe80::1", "a link-local address"],
    ["10.0.0.1", "a private address"],
    ["172.16.0.1", "a private address"],
    ["172.31.255.255", "a private address"],
    ["192.168.1.1", "a private address"],
    ["100.100.100.200", "a private address"],
    ["fc00::1", "a private address"],
    ["fd12:3456::1", "a private address"],
    ["::ffff:10.0.0.1", "a private address"],
    ["224.0.0.1", "a multicast address"],
    ["ff02::1", "a multicast address"],
    ["192.0.0.192", "a reserved address"],
    ["192.0.2.1", "a reserved address"],
    ["198.18.0.1", "a reserved address"],
    ["255.255.255.255", "a reserved address"],
    ["2001:db8::1", "a reserved address"],
    ["2002:7f00:1::", "a reserved address"],
    ["2001:0:4136::1", "a reserved address"],
    ["64:ff9b::7f00:1", "a reserved address"],
    ["::7f00:1", "a reserved address"],
    ["::ffff:8.8.8.8", "a reserved address"],
    ["5f00::1", "a reserved address"],
  ])("of %s is %s", (address, kind) => {
    expect(specialKindOf(address)).toBe(kind);
  });

  it.each([
    ["8.8.8.8"],
    ["1.1.1.1"],
    ["126.255.255.255"],
    ["128.0.0.1"],
    ["172.15.255.255"],
    ["172.32.0.1"],
    ["169.253.255.255"],
    ["223.255.255.255"],
    ["2606:4700:4700::1111"],
    ["2a00:1450::1"],
  ])("of %s is none: it is public", (address) => {
    expect(specialKindOf(address)).toBeUndefined();
  });
});
