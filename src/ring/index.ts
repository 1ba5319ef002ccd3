export { RING_LAYOUT, RingReader, RingWriter, createRing, frameBytesMax } from "./ring.ts";
export { createBell, SharedBell, type Bell } from "./bell.ts";
export { Presence } from "./spin.ts";
export { InlinePoller, ThreadPoller, type Poller, type Source } from "./poller.ts";
