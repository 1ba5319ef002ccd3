import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openInline } from "../kit/inline-system.ts";
import { STEPS, linesOf, temporaryDirectory } from "./kit/directory.ts";
import { THREE_STEPS } from "./kit/three-steps.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** Another process that has the directory open. */
async function startProcess(data: string) {
  const program = join(import.meta.dirname, "modules/attached.process.ts");
  const args = ["--conditions=mcplusplus-source", program, data, STEPS];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  const [role] = (await once(child.stdout, "data")) as [Buffer];
  return { child, exited, role: String(role).trim() };
}

it("a guest takes over from an owner that is killed, and nothing that it asked is lost or done twice", async () => {
  const directory = temporaryDirectory();
  const data = join(directory, "data");
  const options = { data, attach: true, threads: 1, graceMs: 0, tasks: [STEPS], roots: [directory] };
  const owner = await startProcess(data);
  expect(owner.role).toBe("owner");
  await using guest = await openInline(options);
  expect(guest.role).toBe("guest");
  const begun = Promise.withResolvers<void>();
  const running = guest.run(
    { workflowId: "w", steps: THREE_STEPS },
    { onEvent: ({ step }) => step?.stepId === "second" && step.state === "running" && begun.resolve() },
  );
  await begun.promise;
  const submit = (at: number) => guest.tasks.submit({ id: `t${at}`, action: "echo", input: at });
  const before = Array.from({ length: 200 }, (_, at) => submit(at));
  owner.child.kill("SIGKILL");
  const after = Array.from({ length: 200 }, (_, at) => submit(200 + at));
  const receipts = await Promise.all([...before, ...after]);
  expect(new Set(receipts.map(({ taskId }) => taskId)).size).toBe(400);
  expect(guest.role).toBe("owner");
  writeFileSync(join(directory, "go"), "");
  const { status, outputs } = await running;
  expect([status.state, outputs["third"]]).toEqual(["completed", "third"]);
  expect((await guest.tasks.wait("t399")).output).toBe(399);
  // With the three of the run.
  expect((await guest.tasks.list()).total).toBe(403);
  const lines = linesOf(join(directory, "log"));
  expect(lines.filter((line) => line === "first" || line === "third")).toEqual(["first", "third"]);
});

it("an owner goes on when its guest is killed, and a guest when its owner is closed", async () => {
  const directory = temporaryDirectory();
  const data = join(directory, "data");
  await using owner = await openInline({
    data,
    attach: true,
    threads: 1,
    tasks: [STEPS],
    roots: [directory],
  });
  const guest = await startProcess(data);
  expect(guest.role).toBe("guest");
  guest.child.kill("SIGKILL");
  await guest.exited;
  const heir = await startProcess(data);
  expect(heir.role).toBe("guest");
  await owner.close();
  heir.child.stdin.end();
  expect(await heir.exited).toEqual([0, null]);
});
