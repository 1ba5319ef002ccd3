import { describe, expect, it } from "vitest";
import { Failures } from "../../src/scope/failures.ts";

const collected = (...errors: unknown[]): Failures => {
  const failures = new Failures();
  for (const error of errors) failures.add(error);
  return failures;
};

describe("the failures of a scope", () => {
  const root = new Error("root");
  const explained = new Error("explained", { cause: root });
  const other = new Error("other");

  it("are none at first; one is itself; several are one fault that holds them in order", () => {
    expect(collected().count).toBe(0);
    expect(collected(root).asOne()).toBe(root);
    expect(collected("text").asOne()).toBe("text");
    expect(collected(other, root).asOne()).toMatchObject({
      code: "SEVERAL",
      details: { count: 2 },
      errors: [other, root],
    });
  });

  it("are told once: an error that comes again, or as a cause of another, is not a second failure", () => {
    expect(collected(root, root).asOne()).toBe(root);
    expect(collected(explained, root).asOne()).toBe(explained);
    expect(collected(root, explained).asOne()).toBe(explained);
  });

  it("keep their place when a fuller version replaces one or several of them", () => {
    const middle = new Error("middle", { cause: root });
    const top = new Error("top", { cause: middle });
    expect(collected(root, other, explained).asOne()).toMatchObject({ errors: [explained, other] });
    const replaced = collected(other, explained, middle, top);
    expect(replaced.asOne()).toMatchObject({ errors: [other, explained, top] });
    expect(collected(root, other, top).count).toBe(2);
  });

  it("do not follow a ring of causes for ever", () => {
    const ring = new Error("ring");
    ring.cause = ring;
    expect(collected(ring, other).count).toBe(2);
  });
});
