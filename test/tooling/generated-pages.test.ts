import { describe, expect, it } from "vitest";
import { setup } from "xstate";
import { errorsPage } from "../../scripts/pages/errors-page.ts";
import { stateDiagram } from "../../scripts/pages/lifecycles-page.ts";
import { limitsText } from "../../scripts/pages/limits-page.ts";
import { roomGraph, roomsPicture, withPicture } from "../../scripts/pages/rooms-picture.ts";
import { FAULTS } from "../../src/errors/index.ts";

describe("the page of errors", () => {
  const page = errorsPage();

  it("has one row for each code of the table", () => {
    const codes = [...page.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code);
    expect(codes).toEqual(Object.keys(FAULTS));
  });

  it("shows each sentence complete, with no value missing", () => {
    expect(page).not.toMatch(/undefined|NaN|\[object/);
  });

  it("names the details with the types that the table declares", () => {
    expect(page).toContain("`what: string`, `timeoutMs: number` | *what* did not end within 5 s |");
  });
});

describe("the page of limits", () => {
  const page = limitsText({
    actor: { mailboxMessages: { value: 1024, unit: "messages", means: "a | b" } },
    supervisor: { restarts: { value: 5, unit: "restarts", means: "c", option: "intensity.restarts" } },
  });

  it("shows value, unit and meaning, and escapes what would end a cell", () => {
    expect(page).toContain("| `mailboxMessages` | 1,024 | messages | a \\| b | fixed |");
  });

  it("has a table of its own for each room", () => {
    expect(page.match(/^## .*$/gm)).toEqual(["## actor", "## supervisor"]);
  });

  it("names the option that overrides a limit", () => {
    expect(page).toContain("| `restarts` | 5 | restarts | c | `intensity.restarts` |");
  });
});

describe("a state diagram", () => {
  const machine = setup({}).createMachine({
    id: "task",
    initial: "queued",
    states: {
      queued: { on: { CLAIM: "running", CANCEL: "ended.cancelled", NOTE: {} } },
      running: { on: { COMPLETE: "ended", RELEASE: "queued", EXPIRE: "queued" } },
      ended: {
        initial: "completed",
        states: { completed: { type: "final" }, cancelled: { type: "final" } },
      },
    },
  });

  it("draws the first state, each transition, nested states and ends", () => {
    expect(stateDiagram(machine)).toBe(
      [
        "stateDiagram-v2",
        "  [*] --> queued",
        "  queued --> running: CLAIM",
        "  queued --> ended_cancelled: CANCEL",
        "  running --> ended: COMPLETE",
        "  running --> queued: RELEASE, EXPIRE",
        "  state ended {",
        "    [*] --> ended_completed",
        "    ended_completed --> [*]",
        "    ended_cancelled --> [*]",
        "  }",
      ].join("\n"),
    );
  });
});

describe("the picture of the rooms", () => {
  const module = (source: string, ...imports: string[]) => ({
    source,
    dependencies: imports.map((resolved) => ({ resolved })),
  });
  const graph = roomGraph([
    module("src/errors/fault.ts"),
    module("src/store/store.ts", "src/errors/index.ts", "src/store/index.ts", "node:sqlite"),
    module("src/queue/queue.ts", "src/store/index.ts", "src/errors/index.ts"),
    module("src/index.ts", "src/queue/index.ts"),
  ]);
  const picture = roomsPicture(graph, [["errors"], ["store", "ring"], ["queue"]]);

  it("draws no arrow that a longer way already implies", () => {
    expect(picture.match(/\w+ --> \w+/g)).toEqual(["queue --> store", "store --> errors"]);
  });

  it("lists every direct import in its table", () => {
    expect(picture).toContain("| `queue` | store, errors |");
    expect(picture).toContain("| `errors` | nothing |");
  });

  it("shows only rooms that exist", () => {
    expect(picture).not.toContain("ring");
  });

  it("replaces what stands between the markers and nothing else", () => {
    const page = "before\n<!-- rooms:start -->\nold\n<!-- rooms:end -->\nafter\n";
    expect(withPicture(page, "new")).toBe("before\n<!-- rooms:start -->\nnew\n<!-- rooms:end -->\nafter\n");
  });

  it("refuses a page that lost its markers", () => {
    expect(() => withPicture("before\nafter\n", "new")).toThrow("needs the line <!-- rooms:start -->");
  });
});
