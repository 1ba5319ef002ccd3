import { actor } from "../../../src/actor/index.ts";
import { fault } from "../../../src/errors/index.ts";
import { actorsOf, record } from "./journal.ts";
import { Part } from "./part.protocol.ts";

const never = new Promise<never>(() => undefined);

/** A part of a system under a supervisor, with every trouble that a part can have. */
export default actor(Part, async (context, given) => {
  const { id, journal, trouble } = given;
  const { epoch, name } = context;
  const again = epoch > 1;
  context.signal.addEventListener("abort", () => record(journal, id, "abort"));
  context.defer(() => record(journal, id, "cleanup"));
  context.atExit(() => record(journal, id, "exit"));

  if (trouble === "setup throws") throw new RangeError("this part is broken");
  if (trouble === "setup throws again" && again) throw new RangeError("this part is broken");
  if (trouble === "setup throws a fault") throw fault("STORE_OWNED", { path: "/data" });
  if (trouble === "setup hangs" || (trouble === "setup hangs again" && again)) await never;
  if (trouble === "setup blocks") {
    record(journal, id, "begun");
    for (;;);
  }
  if (trouble === "setup exits") process.exit(0);
  const opensLate = trouble === "setup opens late" || (trouble === "setup opens late again" && again);
  if (trouble === "setup waits for its end" || opensLate) {
    record(journal, id, "begun");
    await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
    record(journal, id, "late");
    context.atExit(() => record(journal, id, "exit"));
    if (trouble === "setup waits for its end") context.defer(() => record(journal, id, "cleanup"));
  }
  if (trouble === "setup asks") await context.ref(Part, "part-0").call.epoch();
  if (trouble === "asks a stranger") context.ref(Part, "stranger");
  if (trouble === "has timers") {
    context.clock.at(context.clock.now() + 10, () => record(journal, id, "late"));
    context.signal.addEventListener("abort", () => {
      context.scheduler.schedule(() => record(journal, id, "late"));
    });
  }
  if (trouble === "cries at its end") {
    const other = context.ref(Part, "part-0");
    // So much that it would be published at once.
    context.signal.addEventListener("abort", () => {
      for (let cries = 0; cries < 500; cries++) other.cast.crash();
    });
  }
  if (trouble === "cleanup throws") context.defer(() => Promise.reject(new Error("no cleanup today")));
  if (trouble === "cleanup hangs") context.defer(() => never);
  if (trouble === "cleanup asks") {
    context.defer(async () => {
      await context.ref(Part, "part-0").call.epoch();
      record(journal, id, "called");
    });
  }
  if (trouble === "release throws") {
    context.atExit(() => {
      throw new Error("no release today");
    });
  }
  record(journal, id, "up");

  const handlers = {
    epoch: () => {
      if (trouble === "crashes by itself") {
        setImmediate(() => {
          throw new RangeError("this part is broken");
        });
      }
      return epoch;
    },
    touch: () => Object.assign(given, { id: given.id + 1 }).id,
    crash: () => {
      throw new RangeError(`${name} crashed`);
    },
    crashOnCue: () => {
      record(journal, id, "begun");
      while (actorsOf(journal, "called").length === 0);
      throw new RangeError(`${name} crashed`);
    },
    exit: ({ code }: { code: number }) => process.exit(code),
    block: () => {
      record(journal, id, "begun");
      for (;;);
    },
    print: ({ text }: { text: string }) => {
      console.log(text);
      process.stdout.write(`${text}\n`);
    },
    ask: ({ name: other }: { name: string }) => context.ref(Part, other).call.epoch(),
  };
  if (trouble === "has one handler too many") return { ...handlers, pong: () => undefined };
  const { ask: _, ...tooFew } = handlers;
  return trouble === "has one handler too few" ? (tooFew as typeof handlers) : handlers;
});
