import { describe, expect, it } from "vitest";
import { LOOK_START, markedRows, type LookPlace, type LookedThrough } from "../../src/store/index.ts";
import { openKit } from "./store-kit.ts";

const MARK = Uint8Array.of(1, 2, 3, 4);
const TABLES: readonly LookedThrough[] = [
  { table: "one", key: "id", columns: ["a", "b"] },
  { table: "two", key: "number", columns: ["bytes"] },
];

const MIGRATIONS = [
  `CREATE TABLE one (id INTEGER PRIMARY KEY, a BLOB, b BLOB) STRICT;
   CREATE TABLE two (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;`,
];

/** `at` bytes before the mark. */
const marked = (at: number, name: number): Uint8Array => {
  const bytes = new Uint8Array(at + MARK.length + 1).fill(9);
  bytes.set(MARK, at);
  bytes[at + MARK.length] = name;
  return bytes;
};

function kit() {
  const { store, turns } = openKit({ migrations: MIGRATIONS, durability: "memory" });
  const write = async (sql: string, ...values: (number | Uint8Array | null)[]): Promise<void> => {
    const written = store.write((db) => void db.prepare(sql).run(...values));
    await turns.runAll();
    await written;
  };
  const slice = (from: LookPlace) => store.read((db) => markedRows(db, TABLES, MARK, from));
  /** The last byte of each value that holds the mark, and how many slices it took. */
  const look = (meanwhile: (slices: number) => Promise<void> | void = () => {}) => {
    const found: number[] = [];
    const go = async (): Promise<{ found: number[]; slices: number }> => {
      let slices = 0;
      for (let from: LookPlace | null = LOOK_START; from !== null; slices++) {
        const part = slice(from);
        found.push(...part.found.filter((bytes) => bytes.length > 4).map((bytes) => bytes.at(-1) ?? -1));
        await meanwhile(slices);
        from = part.next;
      }
      return { found, slices };
    };
    return go();
  };
  return { write, slice, look };
}

describe("a look through tables", () => {
  it("finds every value that holds the mark, wherever in it, and no row without", async () => {
    const { write, look } = kit();
    await write("INSERT INTO one VALUES (?, ?, ?)", 1, marked(0, 1), null);
    await write("INSERT INTO one VALUES (?, ?, ?)", 2, null, null);
    await write("INSERT INTO one VALUES (?, ?, ?)", 3, new Uint8Array(), marked(5_000, 2));
    await write("INSERT INTO one VALUES (?, ?, ?)", 4, Uint8Array.of(1, 2, 3), Uint8Array.of(4, 3, 2, 1));
    await write("INSERT INTO two VALUES (?, ?)", 2 ** 50, marked(70_000, 3));
    expect((await look()).found).toEqual([1, 2, 3]);
  });

  it("of nothing finds nothing", async () => {
    expect(await kit().look()).toEqual({ found: [], slices: 2 });
  });

  it("goes in slices of so many rows or bytes that a thread is not held up", async () => {
    const { write, slice } = kit();
    await write(
      `WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1300)
       INSERT INTO one SELECT n, NULL, NULL FROM n`,
    );
    await write("INSERT INTO one VALUES (2000, ?, NULL)", new Uint8Array(900_000));
    await write("INSERT INTO one VALUES (2001, ?, NULL)", new Uint8Array(900_000));
    await write("INSERT INTO one VALUES (2002, ?, NULL)", marked(1, 7));
    const places: LookPlace[] = [];
    for (let from: LookPlace | null = LOOK_START; from !== null; from = slice(from).next) places.push(from);
    expect(places).toEqual([
      { table: 0, after: 0 },
      { table: 0, after: 512 },
      { table: 0, after: 1_024 },
      { table: 0, after: 2_001 },
      { table: 0, after: 2_002 },
      { table: 1, after: 0 },
    ]);
  });

  it("misses nothing that is copied meanwhile to a row with a higher key, though the first is deleted", async () => {
    for (let from = 1; from <= 8; from++) {
      for (let when = 0; when < 3; when++) {
        const { write, look } = kit();
        for (let id = 1; id <= 8; id++) {
          const bytes = id === from ? marked(3, 5) : new Uint8Array(400_000);
          await write("INSERT INTO one VALUES (?, ?, NULL)", id, bytes);
        }
        const { found, slices } = await look(async (slice) => {
          if (slice !== when) return;
          await write("INSERT INTO one SELECT max(id) + 1, ?, NULL FROM one", marked(3, 5));
          await write("DELETE FROM one WHERE id = ?", from);
        });
        expect(slices).toBeGreaterThan(3);
        expect(found, `row ${from}, copied after slice ${when}`).toContain(5);
      }
    }
  });
});
