import { expect, it } from "vitest";
import { watchParent } from "../../src/mcp/parent-watch.ts";
import { manualClock } from "../kit/manual-clock.ts";

function openKit() {
  const clock = manualClock();
  const kit = { parent: 100, gone: 0 };
  const close = watchParent({ clock, parentId: () => kit.parent, onGone: () => (kit.gone += 1) });
  return { clock, kit, close };
}

it("says once, within two seconds, that the parent has gone", async () => {
  const { clock, kit } = openKit();
  await clock.advance(60_000);
  expect(kit.gone).toBe(0);
  kit.parent = 1;
  await clock.advance(2_000);
  expect(kit.gone).toBe(1);
  await clock.advance(60_000);
  expect(kit.gone).toBe(1);
  expect(clock.pending).toBe(0);
});

it("leaves nothing behind when the watch is ended", async () => {
  const { clock, kit, close } = openKit();
  await clock.advance(2_000);
  close();
  expect(clock.pending).toBe(0);
  kit.parent = 1;
  await clock.advance(60_000);
  expect(kit.gone).toBe(0);
});
