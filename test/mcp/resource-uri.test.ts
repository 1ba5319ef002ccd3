import * as fc from "fast-check";
import { expect, it } from "vitest";
import { namesOf, resourceUri } from "../../src/mcp/resource-uri.ts";

it("an address gives back the names that it was made of, whatever they hold", () => {
  const name = fc.oneof(
    fc.string({ unit: "binary", minLength: 1 }),
    fc.constantFrom("..", ".", "a/b", "%2F", "?#"),
  );
  fc.assert(
    fc.property(fc.array(name, { minLength: 1 }), (names) => {
      expect(namesOf(resourceUri(...names))).toEqual(names);
    }),
  );
});

it.each(["", "mcplusplus:", "MCPLUSPLUS://runs", "file:///etc/passwd", "mcplusplus://%E0%A4%A"])(
  "%j is no address of ours",
  (uri) => {
    expect(namesOf(uri)).toBeUndefined();
  },
);
