import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeBindingAnswer,
  encodeBindingRequest,
  endpointText,
  type Endpoint,
} from "../../../src/peers/nat/stun-message.ts";
import {
  CHANGED_ADDRESS,
  ERROR_CODE,
  MAPPED_ADDRESS,
  OTHER_ADDRESS,
  SOFTWARE,
  encodeAnswer,
  plainAddress,
  xoredAddress,
} from "./stun-answer.ts";

/** Messages of the law at the end: `FUZZ_STUN=100000` makes some seconds of it. */
const FUZZ = Number(process.env["FUZZ_STUN"] ?? 2_000);

const id = Buffer.from("0102030405060708090a0b0c", "hex");
const here: Endpoint = { family: 4, address: "192.0.2.1", port: 32_853 };
const there: Endpoint = { family: 4, address: "198.51.100.7", port: 3_479 };
const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ""), "hex");

describe("a request", () => {
  it("is 20 bytes of header with its transaction id", () => {
    expect(encodeBindingRequest(id, { ip: false, port: false })).toEqual(
      hex("0001 0000 2112a442 0102030405060708090a0b0c"),
    );
  });

  it("asks for another address and port by the bits of CHANGE-REQUEST", () => {
    expect(encodeBindingRequest(id, { ip: true, port: true })).toEqual(
      hex("0001 0008 2112a442 0102030405060708090a0b0c 0003 0004 00000006"),
    );
    expect(encodeBindingRequest(id, { ip: false, port: true }).at(-1)).toBe(2);
  });
});

describe("an answer", () => {
  // RFC 5769, 2.2 and 2.3: the vectors of the standard, with MESSAGE-INTEGRITY and FINGERPRINT.
  it("of the standard's test vectors is read, of IPv4 and of IPv6", () => {
    const ipv4 = hex(`0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220
      00200008 0001a147 e112a643 00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96`);
    expect(decodeBindingAnswer(ipv4)?.mapped).toEqual({ family: 4, address: "192.0.2.1", port: 32_853 });
    const ipv6 = hex(`01010048 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220
      00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9 00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
      80280004 c8fb0b4c`);
    expect(decodeBindingAnswer(ipv6)?.mapped).toEqual({
      family: 6,
      address: "2001:db8:1234:5678:11:2233:4455:6677",
      port: 32_853,
    });
  });

  it("prefers the hidden address, which gateways do not rewrite, and takes the plain one where it is alone", () => {
    const both = [plainAddress(MAPPED_ADDRESS, there), xoredAddress(here, id)];
    expect(decodeBindingAnswer(encodeAnswer(id, { attributes: both }))?.mapped).toEqual(here);
    const plain = encodeAnswer(id, { attributes: [plainAddress(MAPPED_ADDRESS, there)] });
    expect(decodeBindingAnswer(plain)?.mapped).toEqual(there);
  });

  it.each([OTHER_ADDRESS, CHANGED_ADDRESS])("tells the server's other address by attribute %i", (type) => {
    const attributes = [xoredAddress(here, id), plainAddress(type, there)];
    const answer = decodeBindingAnswer(encodeAnswer(id, { attributes, fingerprint: "sound" }));
    expect(answer).toEqual({
      transactionId: "0102030405060708090a0b0c",
      mapped: here,
      other: there,
      errorCode: null,
    });
  });

  it("is read past attributes that may be ignored, and counts the first of a kind", () => {
    const software = { type: SOFTWARE, value: Buffer.from("odd") };
    const attributes = [
      software,
      { type: 0x8fff, value: new Uint8Array() },
      xoredAddress(here, id),
      xoredAddress(there, id),
    ];
    expect(decodeBindingAnswer(encodeAnswer(id, { attributes }))?.mapped).toEqual(here);
  });

  it("may be an error with its code", () => {
    const value = Buffer.from([0, 0, 4, 20, ...Buffer.from("Unknown Attribute")]);
    const error = encodeAnswer(id, { type: 0x0111, attributes: [{ type: ERROR_CODE, value }] });
    expect(decodeBindingAnswer(error)).toMatchObject({ errorCode: 420, mapped: null });
  });

  it.each<[string, Uint8Array]>([
    ["nothing", new Uint8Array()],
    ["a request", encodeBindingRequest(id, { ip: false, port: false })],
    ["without the magic cookie", encodeAnswer(id, { cookie: 1, attributes: [xoredAddress(here, id)] })],
    ["without an address", encodeAnswer(id, { attributes: [] })],
    [
      "with an attribute that must be understood and is not",
      encodeAnswer(id, { attributes: [xoredAddress(here, id), { type: 0x7ffe, value: Buffer.alloc(4) }] }),
    ],
    [
      "with a checksum that does not hold",
      encodeAnswer(id, { attributes: [xoredAddress(here, id)], fingerprint: "broken" }),
    ],
    ["cut short", encodeAnswer(id, { attributes: [xoredAddress(here, id)] }).subarray(0, 28)],
    [
      "with a byte too much",
      Buffer.concat([encodeAnswer(id, { attributes: [xoredAddress(here, id)] }), Buffer.alloc(1)]),
    ],
    [
      "with an address of another family's length",
      encodeAnswer(id, { attributes: [{ type: MAPPED_ADDRESS, value: hex("00020001 01020304") }] }),
    ],
    [
      "with an unknown family",
      encodeAnswer(id, { attributes: [{ type: MAPPED_ADDRESS, value: hex("00030001 01020304") }] }),
    ],
    [
      "with an attribute that is longer than the message",
      Buffer.concat([hex("0101 0004 2112a442 0102030405060708090a0b0c"), hex("8022 0400")]),
    ],
    ["an error without a code", encodeAnswer(id, { type: 0x0111, attributes: [] })],
  ])("that is %s is none", (_what, bytes) => {
    expect(decodeBindingAnswer(bytes)).toBeNull();
  });

  it("is the endpoint that the server wrote, of either family", () => {
    const endpoint = fc.oneof(
      fc.record({ family: fc.constant(4 as const), address: fc.ipV4(), port: fc.nat(65_535) }),
      fc.record({
        family: fc.constant(6 as const),
        address: fc
          .ipV6()
          .filter((text) => !text.includes("."))
          .map((text) => new URL(`http://[${text}]`).hostname.slice(1, -1)),
        port: fc.nat(65_535),
      }),
    );
    fc.assert(
      fc.property(endpoint, fc.uint8Array({ minLength: 12, maxLength: 12 }), (mapped, transactionId) => {
        const bytes = encodeAnswer(transactionId, { attributes: [xoredAddress(mapped, transactionId)] });
        expect(decodeBindingAnswer(bytes)?.mapped).toEqual(mapped);
      }),
    );
  });
});

it("writes an endpoint as people do", () => {
  expect(endpointText(here)).toBe("192.0.2.1:32853");
  expect(endpointText({ family: 6, address: "2001:db8::1", port: 1 })).toBe("[2001:db8::1]:1");
});

it(`throws at none of ${FUZZ} messages, random ones and answers with bytes changed, and reads only whole endpoints`, () => {
  const sound = encodeAnswer(id, {
    attributes: [xoredAddress(here, id), plainAddress(OTHER_ADDRESS, there)],
  });
  const changed = fc
    .array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
    .map((changes) => {
      const bytes = Uint8Array.from(sound);
      for (const [index, value] of changes) bytes[index] = value;
      return bytes;
    });
  const headed = fc.uint8Array({ maxLength: 120 }).map((rest) => {
    const bytes = Buffer.concat([sound.subarray(0, 20), rest]);
    bytes.writeUInt16BE(rest.length, 2);
    return Uint8Array.from(bytes);
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), changed, headed), (bytes) => {
      const answer = decodeBindingAnswer(bytes);
      if (answer === null) return;
      expect(answer.transactionId).toHaveLength(24);
      for (const endpoint of [answer.mapped, answer.other]) {
        if (endpoint === null) continue;
        expect(endpoint.address).toMatch(endpoint.family === 4 ? /^\d+(\.\d+){3}$/ : /^[0-9a-f:]+$/);
        expect(endpoint.port).toBeLessThanOrEqual(65_535);
      }
    }),
    { numRuns: FUZZ },
  );
});
