import { describe, expect, it } from "vitest";
import { PeerRoom } from "../../src/remote/peer-room.ts";

function roomOf(greeted: number): PeerRoom {
  const room = new PeerRoom();
  room.asked();
  room.greeted(greeted);
  return room;
}

describe("the room of a peer", () => {
  it("is what it said last, less what is on its way to it", () => {
    const room = roomOf(4);
    room.sent(3);
    expect(room.free).toBe(1);
    room.started(1, 1);
    room.settled(3);
    expect(room.free).toBe(1);
    room.told(4, 1);
    expect(room.free).toBe(4);
    room.told(0, 1);
    room.sent(1);
    expect(room.free).toBe(0);
  });

  it("is not what an older word says that is heard later", () => {
    const room = roomOf(4);
    room.told(4, 1);
    room.started(0, 1);
    expect(room.free).toBe(4);
    room.started(2, 3);
    room.started(3, 2);
    room.told(0, 2);
    expect(room.free).toBe(2);
  });

  it("is the larger of two that were said while it was greeted, since nobody knows which came first", () => {
    for (const [told, greeted] of [
      [4, 0],
      [0, 4],
    ] as const) {
      const room = new PeerRoom();
      room.asked();
      room.told(told, 0);
      room.greeted(greeted);
      expect(room.free).toBe(4);
    }
  });

  it("is counted anew on another connection", () => {
    const room = roomOf(0);
    room.started(0, 9);
    room.reset();
    room.told(2, 0);
    expect(room.free).toBe(2);
  });
});
