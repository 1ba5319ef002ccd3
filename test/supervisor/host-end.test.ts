import { expect, it } from "vitest";
import { createLink, handshakeOf } from "../../src/actor/index.ts";
import { InlinePoller } from "../../src/ring/index.ts";
import { HostEnd } from "../../src/supervisor/host-end.ts";
import { createMetricsBlock } from "../../src/telemetry/index.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import { seededScheduler } from "../kit/seeded-scheduler.ts";
import { Part } from "./modules/part.protocol.ts";

function open(): { end: HostEnd; gaveUp: unknown[] } {
  const poller = new InlinePoller(seededScheduler(seededRandom(1)));
  const gaveUp: unknown[] = [];
  const place = { poller, clock: manualClock(), metrics: createMetricsBlock() };
  const end = new HostEnd(
    place,
    () => ({ ring: () => undefined }),
    (reason) => gaveUp.push(reason),
  );
  return { end, gaveUp };
}

const link = (id: number): ReturnType<typeof createLink> =>
  createLink({ id, caller: "host", callee: "part" }, handshakeOf(Part), { caller: null, callee: null });
const stopped = {
  code: "ACTOR_STOPPED",
  message: "part has been stopped",
  details: { actor: "part" },
} as const;
const restarting = { ...stopped, code: "ACTOR_RESTARTING" } as const;

it("takes an actor that it does not know for one that has ended: whoever has a name has heard of its start", async () => {
  const { end } = open();
  const ref = end.ref(Part, "part");
  await expect(ref.ready()).rejects.toMatchObject({ code: "ACTOR_STOPPED", details: { actor: "part" } });
  end.connect(link(1));
  await expect(ref.call.epoch(), "also when the name is given to another").rejects.toMatchObject({
    code: "ACTOR_STOPPED",
  });
});

it("ends calls in flight when their actor is dismissed, and refs of it stay dead when the name returns", async () => {
  const { end } = open();
  end.connect(link(1));
  const ref = end.ref(Part, "part");
  const call = ref.call.epoch().catch((error: unknown) => error);
  end.dismiss("part", stopped);
  expect(await call).toMatchObject({ code: "ACTOR_STOPPED" });
  end.connect(link(2));
  await expect(ref.call.epoch()).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
  await end.ref(Part, "part").ready();
  end.close();
});

it("hears only of the present link that it is lost", async () => {
  const { end } = open();
  end.connect(link(1));
  const ref = end.ref(Part, "part");
  end.connect(link(2));
  end.disconnect(1, restarting);
  await ref.ready();
  const call = ref.call.epoch().catch((error: unknown) => error);
  end.disconnect(2, restarting);
  end.disconnect(2, restarting);
  expect(await call).toMatchObject({ code: "ACTOR_RESTARTING" });
  const waiting = ref.ready().catch((error: unknown) => error);
  end.close();
  expect(await waiting).toMatchObject({ code: "ACTOR_STOPPED" });
});

it("passes on that the supervisor has given up", () => {
  const { end, gaveUp } = open();
  end.gaveUp({ code: "RESTART_INTENSITY_EXCEEDED", message: "part crashed", details: {} });
  expect(gaveUp).toMatchObject([{ code: "RESTART_INTENSITY_EXCEEDED", message: "part crashed" }]);
});
