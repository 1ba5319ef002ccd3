import { describe, expect, it } from "vitest";
import { packValue, Reference } from "../../src/codec/index.ts";
import { replaceReferences, resolveReferences, touchValues } from "../../src/compute/references.ts";
import { MemoryBlobs } from "../workflow/kit/memory-blobs.ts";

/** A store in memory that counts its reads. */
function blobs(values: Record<string, unknown>) {
  const reads: string[] = [];
  return {
    reads,
    get: (sha256: string) => {
      reads.push(sha256);
      return Promise.resolve(packValue(values[sha256]));
    },
  };
}
const reference = (sha256: string, ...path: (string | number)[]): Reference => new Reference(sha256, 1, path);

describe("resolving references", () => {
  it("puts the stored value, or the part that is meant, in its place", async () => {
    const store = blobs({ aa: { rows: [{ id: 7 }] } });
    const input = { whole: reference("aa"), part: [reference("aa", "rows", 0, "id")], plain: 1 };
    expect(await resolveReferences(input, store, "t1")).toEqual({
      whole: { rows: [{ id: 7 }] },
      part: [7],
      plain: 1,
    });
  });

  it("reads each stored value once, however often it is named", async () => {
    const store = blobs({ aa: [1, 2] });
    await resolveReferences([reference("aa", 0), reference("aa", 1), reference("aa")], store, "t1");
    expect(store.reads).toEqual(["aa"]);
  });

  it("goes on into stored values that hold references themselves", async () => {
    const store = blobs({
      aa: { inner: reference("bb"), again: reference("cc") },
      bb: [reference("cc", "x")],
      cc: { x: 3 },
    });
    expect(await resolveReferences(reference("aa", "inner", 0), store, "t1")).toBe(3);
    expect(await resolveReferences(reference("aa"), store, "t1")).toEqual({ inner: [3], again: { x: 3 } });
  });

  it("leaves a value without references as it is, and asks for no store", async () => {
    const input = { a: [1, new Date(0), new Uint8Array(2)] };
    expect(await resolveReferences(input, null, "t1")).toBe(input);
  });

  it("says which part is missing, and where the path ends", async () => {
    const store = blobs({ aa: { rows: [] } });
    await expect(resolveReferences(reference("aa", "rows", 0, "id"), store, "t1")).rejects.toMatchObject({
      code: "REFERENCE_MISSING",
      details: { step: "t1", reference: "aa….rows[0].id", why: ".rows has no 0" },
    });
    await expect(resolveReferences(reference("aa", "column"), store, "t1")).rejects.toMatchObject({
      details: { why: 'the stored value has no "column"' },
    });
  });

  it("does not reach what objects inherit", async () => {
    const store = blobs({ aa: { name: "x" } });
    for (const path of [["constructor"], ["toString"], ["name", "length", 0]]) {
      await expect(resolveReferences(reference("aa", ...path), store, "t1")).rejects.toMatchObject({
        code: "REFERENCE_MISSING",
      });
    }
  });

  it("cannot find anything where nothing is kept", async () => {
    await expect(resolveReferences([reference("aa")], null, "t1")).rejects.toMatchObject({
      code: "BLOB_MISSING",
    });
  });
});

describe("replacing references", () => {
  it("copies only what holds one", () => {
    const untouched = { a: 1 };
    const replaced = replaceReferences({ untouched, hit: reference("aa") }, () => null);
    expect(replaced).toEqual({ untouched, hit: null });
    expect((replaced as { untouched: unknown }).untouched).toBe(untouched);
  });

  it("ends on a cycle and does not look into instances of classes", () => {
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    expect(replaceReferences(cycle, () => null)).toBe(cycle);
    const map = new Map([["a", reference("aa")]]);
    expect(replaceReferences(map, () => null)).toBe(map);
  });
});

describe("touching values", () => {
  function kit() {
    let wallMs = 1_000;
    const store = new MemoryBlobs({ wallNow: () => wallMs });
    return {
      store,
      later: () => void (wallMs += 1_000),
      put: async (value: unknown) => (await store.put(packValue(value))).sha256,
      youngOnes: () =>
        [...store.values].filter(([, { atMs }]) => atMs === wallMs).map(([address]) => address),
    };
  }

  it("makes them young, and all that they refer to in their turn, and nothing else", async () => {
    const { store, later, put, youngOnes } = kit();
    const [leaf, apart] = [await put("leaf"), await put("apart")];
    const branch = await put({ text: "x".repeat(200), inner: [new Reference(leaf, 1, ["a"])] });
    const root = await put([new Reference(branch, 1), new Reference(leaf, 1)]);
    later();
    await touchValues([root], store);
    expect(youngOnes().toSorted()).toEqual([leaf, branch, root].toSorted());
    expect(store.values.has(apart)).toBe(true);
  });

  it("refuses what is not there, but not what only looks like a reference within a value", async () => {
    const { store, later, put, youngOnes } = kit();
    const gone = "0".repeat(64);
    const root = await put({ bytes: packValue(new Reference(gone, 1)) });
    later();
    await touchValues([root], store);
    expect(youngOnes()).toEqual([root]);
    await expect(touchValues([root, gone], store)).rejects.toMatchObject({
      code: "BLOB_MISSING",
      details: { sha256: gone },
    });
  });
});
