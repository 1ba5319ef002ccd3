import { once } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { fault, isFault } from "../../src/errors/index.ts";
import { withScope, type Scope } from "../../src/scope/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

failOnLeaks();

/** Waits for the signal the way a well-behaved operation does: it rejects with the reason. */
const untilAborted = async (signal: AbortSignal): Promise<void> => {
  await once(signal, "abort");
  signal.throwIfAborted();
};

const failing = (text: string): never => {
  throw new Error(text);
};

describe("a scope", () => {
  it("hands back the value of its body, with and without options", async () => {
    expect(await withScope(() => 1)).toBe(1);
    expect(await withScope({ name: "import" }, async (scope) => scope.name)).toBe("import");
  });

  it("returns only when every child has settled and every cleanup has run", async () => {
    const log: string[] = [];
    const gate = Promise.withResolvers<void>();
    const whole = withScope((scope) => {
      scope.defer(() => void log.push("cleanup"));
      void scope.spawn(() => gate.promise.then(() => log.push("child")));
      log.push("body");
    }).then(() => log.push("returned"));
    await microtasksDrained();
    expect(log).toEqual(["body"]);
    gate.resolve();
    await whole;
    expect(log).toEqual(["body", "child", "cleanup", "returned"]);
  });

  it("waits for a child that a child starts, even as the last thing it does", async () => {
    const log: string[] = [];
    await withScope((scope) => {
      void scope.spawn(async () => {
        await Promise.resolve();
        void scope.spawn(async () => {
          await Promise.resolve();
          log.push("grandchild");
        });
      });
    });
    expect(log).toEqual(["grandchild"]);
  });

  it("waits for a child that is started in the moment in which the last one settles", async () => {
    const log: string[] = [];
    const gate = Promise.withResolvers<void>();
    const whole = withScope((scope) => {
      void scope.spawn(() => gate.promise);
      // Runs after the child's last step, and before the scope hears of it.
      void gate.promise.then(() =>
        scope.spawn(async () => {
          await microtasksDrained();
          log.push("second");
        }),
      );
    });
    gate.resolve();
    await whole;
    expect(log).toEqual(["second"]);
  });

  it("starts a child at once and hands its result to whoever awaits it", async () => {
    const result = await withScope(async (scope) => {
      let started = false;
      const child = scope.spawn(async () => {
        started = true;
        return "result";
      });
      return [started, await child];
    });
    expect(result).toEqual([true, "result"]);
  });

  it("cancels the siblings of the first child that fails, and rejects with that failure itself", async () => {
    const failure = new Error("stock is empty");
    let sibling: unknown;
    const whole = withScope(async (scope) => {
      void scope.spawn(async (signal) => {
        sibling = await untilAborted(signal).catch((error: unknown) => error);
        throw sibling;
      });
      await scope.spawn(() => Promise.reject(failure));
    });
    await expect(whole).rejects.toBe(failure);
    expect(isFault(sibling, "CANCELLED")).toBe(true);
    expect(sibling).toMatchObject({ cause: failure, message: "the scope was cancelled: stock is empty" });
  });

  it("fails with a child even if the body catches the child's failure", async () => {
    const whole = withScope(async (scope) => {
      await scope.spawn(() => failing("child")).catch(() => {});
      return "value";
    });
    await expect(whole).rejects.toThrow("child");
  });

  it("cancels the children of a body that fails, and does not cancel those of a body that returns", async () => {
    let cancelled = false;
    const failed = withScope((scope) => {
      void scope.spawn(untilAborted).catch(() => (cancelled = true));
      failing("body");
    });
    await expect(failed).rejects.toThrow("body");
    expect(cancelled).toBe(true);

    const gate = Promise.withResolvers<string>();
    const returned = withScope((scope) => void scope.spawn(() => gate.promise));
    gate.resolve("not cut");
    await expect(returned).resolves.toBeUndefined();
  });

  it("makes several real failures one error that carries all of them, first one first", async () => {
    const whole = withScope((scope) => {
      void scope.spawn((signal) => untilAborted(signal).catch(() => failing("second")));
      scope.defer(() => failing("third"));
      failing("first");
    });
    await expect(whole).rejects.toMatchObject({
      code: "SEVERAL",
      message: "3 things failed together",
      errors: [{ message: "first" }, { message: "second" }, { message: "third" }],
    });
  });

  it("counts a failure once, however many tell it", async () => {
    const failure = new Error("one");
    const rethrown = withScope(async (scope) => {
      await Promise.all([
        scope.spawn(() => Promise.reject(failure)),
        scope.spawn(() => Promise.reject(failure)),
      ]);
    });
    await expect(rethrown).rejects.toBe(failure);
  });

  it("keeps the version of a failure that says more", async () => {
    const failure = new Error("no route");
    const explained = fault("HANDLER_FAILED", { action: "fetch", text: "no route" }, { cause: failure });
    const whole = withScope(async (scope) => {
      await scope.spawn(() => Promise.reject(failure)).catch(() => Promise.reject(explained));
    });
    await expect(whole).rejects.toBe(explained);
  });

  it("lets nobody's rejection become an unhandled one, also when spawn's promise is not awaited", async () => {
    const unhandled: unknown[] = [];
    const listener = (error: unknown): void => void unhandled.push(error);
    process.on("unhandledRejection", listener);
    onTestFinished(() => void process.off("unhandledRejection", listener));

    const whole = withScope(async (scope) => {
      void scope.spawn(() => failing("first"));
      void scope.spawn(() => failing("never started, since its scope was cancelled"));
      void scope.sleep(1_000);
      await microtasksDrained();
    });
    await expect(whole).rejects.toThrow("first");
    await microtasksDrained();
    expect(unhandled).toEqual([]);
  });

  it("makes spawn, defer, sleep, checkpoint and shield defects once it is closed, and keeps cancel harmless", async () => {
    let leaked: Scope | undefined;
    await withScope({ timeoutMs: 1_000 }, (scope) => void (leaked = scope));
    const scope = leaked;
    if (scope === undefined) throw new Error("the body did not run");
    expect(() => scope.spawn(() => 1)).toThrow(/^defect: spawn in a scope that is closed/);
    expect(() => scope.defer(() => {})).toThrow(/^defect: defer in a closed scope/);
    expect(() => scope.checkpoint()).toThrow(/^defect: checkpoint in a closed scope/);
    await expect(scope.sleep(1)).rejects.toThrow(/^defect: checkpoint in a closed scope/);
    await expect(scope.shield({ timeoutMs: 1 }, () => 1)).rejects.toThrow(
      /^defect: shield in a closed scope/,
    );
    await expect(withScope({ parent: scope }, () => 1)).rejects.toThrow(
      /^defect: a scope inside one that is closed/,
    );
    scope.cancel("too late");
    expect(scope.signal.aborted).toBe(false);
  });

  it("accepts no parent that withScope did not make", async () => {
    await withScope(async (scope) => {
      const copy = { ...scope, signal: new AbortController().signal } as unknown as Scope;
      await expect(withScope({ parent: copy }, () => 1)).rejects.toThrow(
        "a parent is a scope that withScope made",
      );
    });
  });
});

describe("a scope inside another", () => {
  it("is waited for by its parent, also when nobody awaits it", async () => {
    const gate = Promise.withResolvers<void>();
    const log: string[] = [];
    const outer = withScope((parent) => {
      void withScope({ parent }, async () => {
        await gate.promise;
        log.push("inner");
      });
    }).then(() => log.push("outer"));
    await microtasksDrained();
    gate.resolve();
    await outer;
    expect(log).toEqual(["inner", "outer"]);
  });

  it("tells its failure to whoever awaits it, who may go on", async () => {
    const result = await withScope(async (parent) => {
      await withScope({ parent }, () => failing("inner")).catch(() => {});
      parent.checkpoint();
      return "went on";
    });
    expect(result).toBe("went on");
  });

  it("is a tree of errors when several fail on several levels", async () => {
    const both = (text: string) => (scope: Scope) => {
      void scope.spawn((signal) => untilAborted(signal).catch(() => failing(`${text} 2`)));
      failing(`${text} 1`);
    };
    const whole = withScope((parent) => {
      void parent.spawn(() => withScope({ parent }, both("inner")));
      both("outer")(parent);
    });
    await expect(whole).rejects.toMatchObject({
      code: "SEVERAL",
      errors: [
        { message: "outer 1" },
        { message: "outer 2" },
        { code: "SEVERAL", errors: [{ message: "inner 1" }, { message: "inner 2" }] },
      ],
    });
  });
});
