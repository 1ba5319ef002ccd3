import { Console } from "node:console";
import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { capturePrinted, type Printer } from "../../src/compute/printed-text.ts";

function stream(): Writable & Printer {
  return new Writable({
    write() {
      throw new Error("nothing reaches the stream itself");
    },
  }) as Writable & Printer;
}

describe("captured printing", () => {
  it("turns each write into a record without its line break, and none reaches the stream", () => {
    const records: string[] = [];
    const out = stream();
    capturePrinted(out, "info", (level, text) => records.push(`${level}: ${text}`));
    expect(out.write("one\n")).toBe(true);
    out.write(Buffer.from("two\nthree\n\n"));
    expect(records).toEqual(["info: one", "info: two\nthree\n"]);
  });

  it("takes console with it", () => {
    const records: string[] = [];
    const out = stream();
    capturePrinted(out, "error", (level, text) => records.push(`${level}: ${text}`));
    new Console(out).log("rows: %d", 3);
    expect(records).toEqual(["error: rows: 3"]);
  });

  it("calls back whoever waits for the write, but not within it", async () => {
    const out = stream();
    capturePrinted(out, "info", () => {});
    const { promise, resolve } = Promise.withResolvers<void>();
    let within = true;
    out.write("x", "utf8", () => {
      expect(within).toBe(false);
      resolve();
    });
    within = false;
    await promise;
  });

  it("gives the stream its own write back", () => {
    const out = stream();
    const own = out.write;
    const restore = capturePrinted(out, "info", () => {});
    expect(out.write).not.toBe(own);
    restore();
    expect(out.write).toBe(own);
  });
});
