import { execFileSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Reference } from "../../../src/codec/index.ts";
import { LIMITS } from "../../../src/errors/index.ts";
import { openBlobs } from "../../../src/store/index.ts";
import { attemptKit } from "../attempt-kit.ts";

const parse = (input: object): Promise<unknown> => attemptKit().output("parse", input);
const refused = (input: object): Promise<unknown> => attemptKit().run("parse", input);
const invalid = (line: number, column: number, why: string, what = "the text"): unknown =>
  expect.objectContaining({
    error: expect.objectContaining({
      code: "TEXT_INVALID",
      details: { what, line, column, why: expect.stringContaining(why) as string },
      message: expect.stringContaining(`line ${line}, column ${column}`) as string,
    }) as object,
  });
const code = (wanted: string, message = ""): unknown =>
  expect.objectContaining({
    error: expect.objectContaining({
      code: wanted,
      message: expect.stringContaining(message) as string,
    }) as object,
  });

describe("parse of CSV and TSV", () => {
  it("makes an object of each row, named by the first", async () => {
    expect(
      await parse({ format: "csv", text: 'id,name\r\n1,"Smith, ""Bob"""\r\n2,"two\nlines"\r\n' }),
    ).toEqual({
      rows: [
        { id: "1", name: 'Smith, "Bob"' },
        { id: "2", name: "two\nlines" },
      ],
      row_count: 2,
      columns: ["id", "name"],
    });
  });

  it("makes a list of each row where there is no header", async () => {
    expect(await parse({ format: "csv", text: "1,2\n3,4", header: false })).toEqual({
      rows: [
        ["1", "2"],
        ["3", "4"],
      ],
      row_count: 2,
      columns: null,
    });
  });

  it("takes another delimiter, and leaves a byte order mark and empty lines out", async () => {
    expect(await parse({ format: "csv", text: "\uFEFFa;b\n\n1;2\n", delimiter: ";" })).toMatchObject({
      rows: [{ a: "1", b: "2" }],
    });
  });

  it("takes a quote in TSV for what it is", async () => {
    expect(await parse({ format: "tsv", text: 'disk\tsize\n"A"\t3.5"\n' })).toMatchObject({
      rows: [{ disk: '"A"', size: '3.5"' }],
    });
  });

  it("has no rows in an empty text, and none behind a lone header", async () => {
    expect(await parse({ format: "csv", text: "" })).toMatchObject({ rows: [], row_count: 0 });
    expect(await parse({ format: "csv", text: "a,b\n" })).toMatchObject({ rows: [], columns: ["a", "b"] });
  });

  it("makes fields of names that objects inherit", async () => {
    expect(await parse({ format: "csv", text: "constructor,toString\n1,2" })).toMatchObject({
      rows: [{ constructor: "1", toString: "2" }],
    });
  });

  it.each([
    ["too many fields", "a,b\n1,2\n3,4,5\n", 3, 3, "the row has 3 fields, and the first one 2"],
    ["too few fields", "a,b\n1,2\n\n3\n", 4, 2, "the row has 1 fields, and the first one 2"],
    ["an open quote", 'a,b\n1,"x\ny\n', 3, 2, "ends within quotes"],
    ["a quote in the middle", 'a,b\n1,x"y\n', 2, 2, "does not begin with one"],
    ["more behind a quote", 'a,b\n"x"y,1\n', 2, 1, "behind its closing quote"],
    ["a name that is there twice", "a,b,a\n1,2,3\n", 1, 3, 'called "a" too'],
    ["a name that no object should have", "a,__proto__\n1,2\n", 1, 2, "__proto__"],
  ])("names line and field of %s", async (_what, text, line, column, why) => {
    expect(await refused({ format: "csv", text })).toEqual(invalid(line, column, why));
  });

  it("names the row that differs from the first where there is no header", async () => {
    expect(await refused({ format: "csv", text: "1,2\n3,4,5", header: false })).toEqual(
      invalid(2, 3, "the first one 2"),
    );
  });
});

describe("parse of JSON", () => {
  it("takes a list as its rows", async () => {
    expect(await parse({ format: "json", text: '[{"a": 1}, [2], null]' })).toEqual({
      rows: [{ a: 1 }, [2], null],
      row_count: 3,
      columns: null,
    });
  });

  it("takes one value a line, and leaves empty lines out", async () => {
    expect(await parse({ format: "ndjson", text: '{"a": 1}\r\n\r\n[2]\n' })).toMatchObject({
      rows: [{ a: 1 }, [2]],
    });
  });

  it("names line and column of what is no JSON", async () => {
    expect(await refused({ format: "json", text: '[\n  {"a": 1,}\n]' })).toEqual(
      invalid(2, 11, '"}" cannot stand here'),
    );
    expect(await refused({ format: "json", text: "[1,\n2" })).toEqual(invalid(2, 2, "ends too early"));
    expect(await refused({ format: "json", text: '{"a": 1}' })).toEqual(invalid(1, 1, "it is no list"));
    expect(await refused({ format: "ndjson", text: '{"a": 1}\n\n{"a": 01}\n' })).toEqual(
      invalid(3, 8, '"1" cannot stand here'),
    );
  });

  it("refuses a key that would change an object instead of filling it", async () => {
    expect(await refused({ format: "json", text: '[{"__proto__": {"admin": true}}]' })).toEqual(
      code("OUTPUT_INVALID", "a key that no object should have at rows[0]"),
    );
  });
});

describe("parse", () => {
  it.each([
    ["csv", "a\n1\n2\n3"],
    ["tsv", "a\n1\n2\n3"],
    ["json", "[1, 2, 3]"],
    ["ndjson", "1\n2\n3"],
  ])("gives as many rows of %s as it may, and refuses one more", async (format, text) => {
    expect(await parse({ format, text, max_rows: 3 })).toMatchObject({ row_count: 3 });
    expect(await refused({ format, text, max_rows: 2 })).toEqual(code("SIZE_EXCEEDED", "more than 2 rows"));
  });

  it.each([
    ["neither a text nor a path", { format: "csv" }, "either text or path"],
    ["both", { format: "csv", text: "", path: "a" }, "either text or path"],
    ["an unknown format", { format: "xml", text: "" }, "format"],
    ["a delimiter of two characters", { format: "csv", text: "", delimiter: ";;" }, "delimiter"],
    ["a delimiter that quotes", { format: "csv", text: "", delimiter: '"' }, "delimiter"],
    ["a delimiter for what has none", { format: "json", text: "[]", delimiter: ";" }, "delimiter"],
  ])("refuses %s", async (_what, input, why) => {
    expect(await refused(input)).toEqual(code("INPUT_INVALID", why));
  });

  it("bounds its processor time", async () => {
    const kit = attemptKit();
    await kit.run("parse", { format: "csv", text: "" });
    expect(kit.slots.cpuMs(0)).toBe(LIMITS.compute.parseCpuMs);
  });
});

describe("parse of a file", () => {
  let base = "";
  beforeEach(() => (base = realpathSync(mkdtempSync(join(tmpdir(), "parse-")))));
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  it("reads it inside the allowed directories only, and names it in errors", async () => {
    writeFileSync(join(base, "a.csv"), "\uFEFFa,b\n1,2\n3");
    symlinkSync("/etc/passwd", join(base, "link.csv"));
    execFileSync("mkfifo", [join(base, "pipe.csv")]);
    const kit = attemptKit({ roots: [base] });
    expect(await kit.run("parse", { format: "csv", path: "a.csv" })).toEqual(
      invalid(3, 2, "the row has 1 fields", join(base, "a.csv")),
    );
    expect(await kit.run("parse", { format: "csv", path: "link.csv" })).toEqual(code("INVALID_ARGUMENT"));
    expect(await kit.run("parse", { format: "csv", path: "pipe.csv" })).toEqual(
      code("FILE_UNREADABLE", "it is a pipe"),
    );
  });

  it("refuses what is no text, and what is too large", async () => {
    writeFileSync(join(base, "a.csv"), Uint8Array.of(0x61, 0xff));
    const kit = attemptKit({ roots: [base] });
    expect(await kit.run("parse", { format: "csv", path: "a.csv" })).toEqual(
      code("FILE_UNREADABLE", "no UTF-8 text"),
    );
    truncateSync(join(base, "a.csv"), LIMITS.compute.parseBytes + 1);
    expect(await kit.run("parse", { format: "csv", path: "a.csv" })).toEqual(code("SIZE_EXCEEDED"));
  });

  it("keeps many rows apart, so that their number is known without them", async () => {
    writeFileSync(join(base, "a.ndjson"), "[1234567]\n".repeat(10_000));
    const kit = attemptKit({ roots: [base], blobs: openBlobs({ directory: join(base, "blobs") }) });
    const output = await kit.output("parse", { format: "ndjson", path: "a.ndjson" });
    expect(output).toEqual({ rows: expect.any(Reference) as Reference, row_count: 10_000, columns: null });
    const { rows } = output as { rows: Reference };
    expect(await kit.output("echo", { last: rows.at(9_999) })).toEqual({ last: [1_234_567] });
  });
});
