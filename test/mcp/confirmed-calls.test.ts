import { describe, expect, it } from "vitest";
import { ERAS, connectTo, openApp, type Answered } from "./kit/connected-client.ts";
import { rawClient } from "./kit/raw-client.ts";

const FORMS = { elicitation: { form: {} } };

/** With one task that failed for good. */
async function openWithTask() {
  const app = await openApp();
  const system = await app.system();
  const { taskId } = await system.tasks.submit({ id: "old", action: "fail", input: { message: "no" } });
  await system.tasks.wait(taskId);
  return { app, count: async () => (await system.tasks.list()).total };
}

describe.each(ERAS)("a client of the %s era that can ask its user", (era) => {
  const connectAnswering = async (answer: Answered) => {
    const { app, count } = await openWithTask();
    const asked: string[] = [];
    const elicit = (message: string): Answered => {
      asked.push(message);
      return answer;
    };
    return { ...(await connectTo(app, era, { capabilities: FORMS, elicit })), asked, count };
  };

  it("asks before anything is done, and has it done when the user says yes", async () => {
    const { call, asked, count } = await connectAnswering({ action: "accept", content: { confirm: true } });
    expect(await call("queue_clear", { status_filter: "failed" })).toMatchObject({
      success: true,
      cleared_count: 1,
    });
    expect(asked).toEqual([
      "Clear the queue? At most these would be cancelled or forgotten: 1 failed; ended steps of workflows stay. This cannot be taken back.",
    ]);
    expect(await count()).toBe(0);
  });

  it.each<Answered>([
    { action: "decline" },
    { action: "cancel" },
    { action: "accept", content: { confirm: false } },
  ])("does nothing when the user does not say yes (%j)", async (answer) => {
    const { call, count } = await connectAnswering(answer);
    expect(await call("queue_clear")).toMatchObject({ success: false, code: "CANCELLED", retryable: false });
    expect(await count()).toBe(1);
  });

  it("asks nobody about a call that says confirm: true, or whose arguments are wrong", async () => {
    const { call, asked, count } = await connectAnswering({ action: "decline" });
    expect(await call("queue_clear", { status_filter: "lost" })).toMatchObject({ code: "INPUT_INVALID" });
    expect(await count()).toBe(1);
    expect(await call("queue_clear", { confirm: true })).toMatchObject({ success: true, cleared_count: 1 });
    expect(asked).toEqual([]);
  });
});

describe.each(ERAS)("a client of the %s era that cannot ask its user", (era) => {
  it("is told what would happen, and confirms that very call with a token, once", async () => {
    const { app, count } = await openWithTask();
    const { client, call } = await connectTo(app, era);
    const { tools } = await client.listTools();
    const listed = tools.find(({ name }) => name === "queue_clear");
    expect(listed?.inputSchema.properties).toHaveProperty("confirm_token");

    const refused = await call("queue_clear", { status_filter: "failed" });
    expect(refused).toMatchObject({
      success: false,
      code: "CONFIRMATION_REQUIRED",
      preview: "At most these would be cancelled or forgotten: 1 failed; ended steps of workflows stay.",
      next: expect.stringContaining("queue_clear again with the same arguments") as string,
    });
    const confirm_token = String(refused["confirm_token"]);
    const other = await call("queue_clear", { confirm_token });
    expect(other).toMatchObject({
      code: "CONFIRMATION_REQUIRED",
      next: expect.stringContaining("not, or no longer, for this call") as string,
    });
    expect(await count()).toBe(1);

    const anew = await call("queue_clear", { status_filter: "failed", confirm_token });
    expect(anew).toMatchObject({ code: "CONFIRMATION_REQUIRED" });
    const token = anew["confirm_token"];
    expect(await call("queue_clear", { status_filter: "failed", confirm_token: token })).toMatchObject({
      success: true,
      cleared_count: 1,
    });
    expect(await call("queue_clear", { status_filter: "failed", confirm_token: token })).toMatchObject({
      success: false,
    });
  });

  it.each([
    ["cache_clear", {}, "0 results would be removed."],
    ["deadletter_purge", {}, "1 dead letters would be forgotten."],
    ["deadletter_purge", { task_ids: ["old"] }, "1 dead letters would be forgotten."],
  ])("is told what %s with %j would do", async (name, args, preview) => {
    const { app } = await openWithTask();
    const { call } = await connectTo(app, era);
    expect(await call(name, args)).toMatchObject({ code: "CONFIRMATION_REQUIRED", preview });
  });
});

it("a state that was not given for this very call is refused, and nothing is done or asked anew", async () => {
  const { app, count } = await openWithTask();
  const { request } = await rawClient(app, FORMS);
  const call = async (more: object) =>
    request("tools/call", { name: "queue_clear", arguments: { status_filter: "failed" }, ...more });
  const { result } = await call({});
  expect(result).toMatchObject({ resultType: "input_required" });
  const { requestState } = result as { requestState: string };
  const inputResponses = { confirm: { action: "accept", content: { confirm: true } } };
  const refused = { error: { code: -32_602, message: expect.stringContaining("requestState") as string } };

  expect(await call({ requestState: `${requestState}x`, inputResponses })).toMatchObject(refused);
  expect(
    await call({ arguments: { status_filter: "completed" }, requestState, inputResponses }),
  ).toMatchObject(refused);
  expect(await call({ requestState, inputResponses }), "it was for one call").toMatchObject(refused);
  expect(await count()).toBe(1);
});
