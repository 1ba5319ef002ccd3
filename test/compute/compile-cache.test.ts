import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openCompileCache } from "../../src/compute/compile-cache.ts";

describe("the compile cache of the threads", () => {
  it.each(["file:///a.ts", "file:///a.mts", "file:///a.cts"])(
    "is a private directory for %s",
    async (module) => {
      const parent = mkdtempSync(join(tmpdir(), "cache-"));
      const cache = await openCompileCache(["file:///b.js", module], { PATH: "/bin" }, parent);
      const directory = cache.env?.["NODE_COMPILE_CACHE"] ?? "";
      expect(cache.env).toEqual({ PATH: "/bin", NODE_COMPILE_CACHE: directory });
      expect(statSync(directory).mode & 0o777).toBe(0o700);
      await cache.remove();
      expect(existsSync(directory)).toBe(false);
      rmSync(parent, { recursive: true });
    },
  );

  it.each([
    ["without TypeScript", ["file:///a.js"], {}, tmpdir()],
    ["when the user has chosen one", ["file:///a.ts"], { NODE_COMPILE_CACHE: "/elsewhere" }, tmpdir()],
    ["when no directory can be made", ["file:///a.ts"], {}, "/not/there"],
  ])("is left alone %s", async (_when, modules, env, parent) => {
    const cache = await openCompileCache(modules, env, parent);
    expect(cache.env).toBeUndefined();
    await cache.remove();
  });
});
