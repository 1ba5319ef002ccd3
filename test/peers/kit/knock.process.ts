import { connect } from "node:net";

/**
 * Knocks at a TCP port of `<address>` where nobody listens, and prints how long it took until the host said so, in
 * milliseconds; `null` when nobody has said anything within a second.
 */
const [, , address = ""] = process.argv;
const PORT = 9;
const startMs = performance.now();
const socket = connect(PORT, address);
const late = setTimeout(() => tell(null), 1_000);
socket.on("error", ({ code }: NodeJS.ErrnoException) =>
  tell(code === "ECONNREFUSED" ? performance.now() - startMs : null),
);

function tell(tookMs: number | null): void {
  clearTimeout(late);
  socket.destroy();
  process.stdout.write(JSON.stringify(tookMs));
}
