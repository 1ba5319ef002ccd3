import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { closeStandIns, standIn } from "../compute/actions/http-kit.ts";
import { oneStep, run, temporaryDirectory, templateFile } from "./kit/command.ts";

afterEach(closeStandIns);

describe("--allow-host", () => {
  it("lets a task fetch from a host, which without it is refused and told how to be allowed", async () => {
    const { origin } = await standIn((_request, response) => response.end("here"));
    const data = join(temporaryDirectory(), "data");
    const submit = ["task", "submit", "http_fetch", "--input", JSON.stringify({ url: origin }), "--wait"];
    const refused = await run(...submit, "--data", data);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("--allow-host 127.0.0.1")]);
    const allowed = await run(
      ...submit,
      "--data",
      data,
      "--allow-host",
      "example.com",
      "--allow-host",
      "127.0.0.1",
    );
    expect([allowed.code, allowed.out]).toEqual([0, expect.stringContaining("here")]);
  });

  it("lets a step of a workflow fetch from a host", async () => {
    const { origin, requests } = await standIn((_request, response) => response.end("here"));
    const directory = temporaryDirectory();
    const template = templateFile(directory, oneStep("http_fetch", { url: origin }));
    const options = ["--data", join(directory, "data"), "--out", join(directory, "out")];
    expect((await run("run", template, ...options)).code).toBe(1);
    expect((await run("run", template, ...options, "--allow-host", "127.0.0.0/8")).code).toBe(0);
    expect(requests).toHaveLength(1);
  });

  it("with what is no host is wrong usage", async () => {
    const ended = await run(
      "run",
      templateFile(temporaryDirectory(), oneStep("echo")),
      "--allow-host",
      "http://a",
    );
    expect([ended.code, ended.err]).toEqual([
      2,
      expect.stringContaining('an allowed host is "http://a"; allowed is a name like'),
    ]);
  });
});
