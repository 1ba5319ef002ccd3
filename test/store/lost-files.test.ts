import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { openStore, type StoreOptions } from "../../src/store/index.ts";
import { idsIn, insert, openKit, temporaryDirectory } from "./store-kit.ts";

/** A page, and what stands before it in the log; the log's own head. */
const FRAME_BYTES = 24 + 4_096;
const HEAD_BYTES = 32;

type Kit = ReturnType<typeof openKit>;

/** Each in a batch of its own, so that each was acknowledged before the next was written. */
async function add({ store }: Kit, ids: readonly number[], text = "x"): Promise<void> {
  for (const id of ids) {
    await Promise.all([store.write(insert(id, text)), store.flush()]);
  }
}

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** What is on disk when the owner dies now. */
function deathOf({ path }: Kit): string {
  const directory = temporaryDirectory();
  cpSync(dirname(path), directory, { recursive: true });
  return join(directory, "items.db");
}

/** An owner that has acknowledged 1 to 60, and died. */
async function deadStore(options: Partial<StoreOptions> = {}): Promise<string> {
  const kit = openKit(options);
  await add(kit, range(1, 60));
  return deathOf(kit);
}

function spoil(path: string, at: number, bytes = 8): void {
  const content = readFileSync(path);
  content.fill(0xa5, at, at + bytes);
  writeFileSync(path, content);
}

const framesIn = (path: string): number => {
  const content = readFileSync(`${path}-wal`);
  const salts = content.subarray(16, 24);
  let frames = 0;
  while (
    content.compare(
      salts,
      0,
      8,
      HEAD_BYTES + frames * FRAME_BYTES + 8,
      HEAD_BYTES + frames * FRAME_BYTES + 16,
    ) === 0
  )
    frames += 1;
  return frames;
};

const frameAt = (frame: number): number => HEAD_BYTES + frame * FRAME_BYTES;

const refusal = (message: RegExp): unknown =>
  expect.objectContaining({ code: "STORE_CORRUPT", message: expect.stringMatching(message) as string });

/** Refused, and every file as it was. */
function expectRefused(path: string, message: RegExp): void {
  const directory = dirname(path);
  const contents = (): unknown =>
    readdirSync(directory).map((name) => [name, readFileSync(join(directory, name)).toString("base64")]);
  const before = contents();
  expect(() => openKit({ path })).toThrow(refusal(message));
  expect(contents()).toEqual(before);
}

describe("the log of an owner that has died", () => {
  it("is taken as it is when it is whole", async () => {
    expect(idsIn(openKit({ path: await deadStore() }).store)).toEqual(range(1, 60));
  });

  it.each([
    ["its first frame", 0, 100],
    ["the head of a frame in the middle", 30, 0],
    ["the checksum of one", 30, 16],
    ["the content of one", 30, 2_000],
  ])(
    "is refused when it is damaged in %s, for what was acknowledged behind it would be gone",
    async (_, frame, at) => {
      const path = await deadStore();
      spoil(`${path}-wal`, frameAt(frame) + at);
      expectRefused(
        path,
        /its log items\.db-wal is damaged at byte \d+: restore a backup, or delete items\.db-wal and/,
      );
    },
  );

  it.each([
    ["its own head", 0],
    ["the checksum of its head", 24],
  ])("is refused when it is damaged in %s", async (_, at) => {
    const path = await deadStore();
    spoil(`${path}-wal`, at);
    expectRefused(path, /its log items\.db-wal is damaged at its beginning/);
  });

  it("is refused when its file is missing or empty, for SQLite would delete it", async () => {
    for (const lose of [(path: string) => rmSync(path), (path: string) => truncateSync(path, 0)]) {
      const path = await deadStore();
      lose(path);
      expectRefused(path, /it is empty, and its log items\.db-wal is not/);
    }
  });

  it("may be given up by deleting what the refusal names", async () => {
    const path = await deadStore();
    spoil(`${path}-wal`, frameAt(30));
    expectRefused(path, /delete items\.db-wal and items\.db\.owner to go on/);
    rmSync(`${path}-wal`);
    rmSync(`${path}.owner`);
    // All of it was in the log only.
    expect(idsIn(openKit({ path }).store).length).toBeLessThan(60);
  });

  it("is nobody's to judge while its owner lives", async () => {
    const kit = openKit();
    await add(kit, range(1, 30));
    spoil(`${kit.path}-wal`, frameAt(10));
    expect(() => openKit({ path: kit.path })).toThrow(expect.objectContaining({ code: "STORE_OWNED" }));
    expect(existsSync(`${kit.path}-shm`)).toBe(false);
  });

  it("is no promise below level flushed, where the loss of power may leave anything", async () => {
    const path = await deadStore({ durability: "committed" });
    spoil(`${path}-wal`, frameAt(2));
    expect(idsIn(openKit({ path, durability: "committed" }).store).length).toBeLessThan(60);
  });
});

describe("a batch that the loss of power has torn", () => {
  const large = "y".repeat(60_000);

  /** It was being written when the power went: some of its frames are there, and not the one in its middle. */
  async function torn(): Promise<{ path: string; first: number }> {
    const kit = openKit();
    await add(kit, range(1, 20));
    const first = framesIn(deathOf(kit));
    await add(kit, [1_000], large);
    const path = deathOf(kit);
    spoil(`${path}-wal`, frameAt(Math.floor((first + framesIn(path)) / 2)), FRAME_BYTES);
    return { path, first };
  }

  it("is forgotten, and everything that was acknowledged before is there", async () => {
    const { path } = await torn();
    expect(idsIn(openKit({ path }).store)).toEqual(range(1, 20));
  });

  it("is no damage either when its rest stands behind what was written over its beginning", async () => {
    const { path } = await torn();
    const kit = openKit({ path });
    await add(kit, [21]);
    expect(idsIn(openKit({ path: deathOf(kit) }).store)).toEqual(range(1, 21));
  });

  it("is no damage when that in turn was torn", async () => {
    const { path, first } = await torn();
    const kit = openKit({ path });
    await add(kit, [21], "z".repeat(12_000));
    const dead = deathOf(kit);
    spoil(`${dead}-wal`, frameAt(first + 1), FRAME_BYTES);
    expect(idsIn(openKit({ path: dead }).store)).toEqual(range(1, 20));
  });

  it("is not mistaken for the old round of a log that has begun anew", async () => {
    const kit = openKit();
    await add(kit, range(1, 40));
    await kit.clock.advance(60_000);
    await add(kit, [41]);
    const path = deathOf(kit);
    expect(idsIn(openKit({ path }).store)).toEqual(range(1, 41));
  });
});

describe("a file whose tables are not ours", () => {
  it.each([
    ["has a table less", "DROP TABLE items", /it has no table items/],
    [
      "has a trigger more",
      "CREATE TRIGGER thief AFTER INSERT ON items BEGIN DELETE FROM items; END",
      /it has a trigger thief, which is not ours/,
    ],
    ["has a view more", "CREATE VIEW v AS SELECT 1", /it has a view v, which is not ours/],
    ["has a format below all", "PRAGMA user_version = -1", /its format is -1/],
  ])("is refused when it %s", async (_, sql, message) => {
    const kit = openKit();
    await add(kit, [1]);
    await kit.store.close();
    const database = new DatabaseSync(kit.path);
    database.exec(sql);
    database.close();
    expect(() => openKit({ path: kit.path })).toThrow(refusal(message));
  });
});

describe("a file that loses its name while it is open", () => {
  const gone = {
    code: "STORE_FAILED",
    message: expect.stringMatching(/not at its place any more/) as string,
  };

  it("takes no more writes, because they would be gone with the process, and takes them again when it is back", async () => {
    const kit = openKit();
    await add(kit, [1]);
    const directory = dirname(kit.path);
    renameSync(directory, `${directory}.aside`);
    await expect(add(kit, [2])).rejects.toMatchObject(gone);
    expect(idsIn(kit.store)).toEqual([1]);
    renameSync(`${directory}.aside`, directory);
    await add(kit, [3]);
    expect(idsIn(openKit({ path: deathOf(kit) }).store)).toEqual([1, 3]);
  });

  it("takes no more writes when its directory has been deleted, also when there is another of that name", async () => {
    const kit = openKit();
    await add(kit, [1]);
    rmSync(dirname(kit.path), { recursive: true });
    await expect(add(kit, [2])).rejects.toMatchObject(gone);
    mkdirSync(dirname(kit.path));
    await openKit({ path: kit.path }).store.close();
    await expect(add(kit, [2])).rejects.toMatchObject(gone);
  });

  it("is given up when its log alone has been deleted, and the next life has all that was acknowledged", async () => {
    const kit = openKit();
    await add(kit, [1, 2]);
    rmSync(`${kit.path}-wal`);
    const lost = kit.write(insert(3));
    await expect(kit.turns.runAll()).rejects.toThrow("what a flush has left behind is unknown");
    await expect(lost).rejects.toMatchObject({
      code: "STORE_FAILED",
      message: expect.stringMatching(/its log has been deleted/) as string,
    });
    expect(idsIn(openKit({ path: kit.path }).store)).toEqual(expect.arrayContaining([1, 2]));
  });
});

it("a store that is opened and closed leaves no note that would make a clean end look like a death", async () => {
  const kit = openKit();
  await add(kit, [1]);
  await kit.store.close();
  const open = (): Promise<void> => openStore({ ...openOptions(kit), path: kit.path }).close();
  for (let time = 0; time < 3; time++) await open();
  expect(readdirSync(dirname(kit.path))).toEqual(["items.db"]);
});

const openOptions = ({ clock, turns }: Kit): Omit<StoreOptions, "path"> => ({
  migrations: ["CREATE TABLE items (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"],
  clock,
  scheduler: turns,
});
