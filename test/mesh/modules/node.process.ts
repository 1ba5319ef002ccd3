import { openSystem, type SystemOptions } from "mcplusplus";

/**
 * A node of a mesh in a process of its own. It answers one question a line, in the order of their ends:
 * `{ id, do: [method, ...arguments] }`, where the method is that of a system or of one of its doors, such as
 * `peers.connect`; the answer is `{ id, value }` or `{ id, error }`. The end of its input is its own.
 */
const options = JSON.parse(process.argv[2] ?? "{}") as SystemOptions;
const system = await openSystem(options);

interface Question {
  readonly id: number;
  readonly do: readonly [string, ...unknown[]];
}

function say(answer: object): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

async function carryOut({ id, do: [method, ...args] }: Question): Promise<void> {
  try {
    const path = method.split(".");
    const name = path.pop() ?? "";
    const target = path.reduce<unknown>(
      (from, each) => (from as Record<string, unknown>)[each],
      system,
    ) as Record<string, (...given: unknown[]) => unknown>;
    say({ id, value: (await target[name]?.(...args)) ?? null });
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string };
    say({ id, error: { code, message } });
  }
}

let rest = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (chunk: string) => {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) void carryOut(JSON.parse(line) as Question);
});
process.stdin.on("end", () => void system.close());

const { peerId, addresses } = await system.peers.node();
say({ peerId, addresses, pid: process.pid });
