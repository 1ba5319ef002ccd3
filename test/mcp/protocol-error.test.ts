import { ProtocolError } from "@modelcontextprotocol/server";
import { expect, it } from "vitest";
import { fault } from "../../src/errors/index.ts";
import { protocolError } from "../../src/mcp/protocol-error.ts";

function openKit() {
  const defects: unknown[] = [];
  return { defects, told: (error: unknown) => protocolError(error, (defect) => void defects.push(defect)) };
}

it("what is wrong with a request is told as that, with its code", () => {
  const { told, defects } = openKit();
  expect(told(fault("TASK_NOT_FOUND", { taskId: "t" }))).toMatchObject({
    code: -32_602,
    message: 'there is no task "t"',
    data: { code: "TASK_NOT_FOUND", retryable: false },
  });
  expect(defects).toEqual([]);
});

it("what keeps the server from answering is told as that, and whether it may pass", () => {
  const { told } = openKit();
  expect(told(fault("UNAVAILABLE", { what: "the system", why: "the server is stopping" }))).toMatchObject({
    code: -32_603,
    message: "the system is unavailable: the server is stopping",
    data: { code: "UNAVAILABLE", retryable: true },
  });
});

it("a bug is logged, and its text, which may hold anything, is not told", () => {
  const { told, defects } = openKit();
  for (const error of [
    new TypeError("cannot read /secret/path"),
    "thrown",
    fault("DEFECT", { name: "Error", text: "/secret" }),
  ]) {
    expect(told(error)).toMatchObject({ code: -32_603, message: "the request met a fault of this server" });
    expect(defects.at(-1)).toBe(error);
  }
});

it("an error of the protocol is told as it is", () => {
  const error = new ProtocolError(-32_602, "there is no prompt");
  expect(openKit().told(error)).toBe(error);
});
