import { expect, it } from "vitest";
import { isFault } from "../../src/errors/index.ts";
import { seededRandom, testSeed } from "../kit/seeded-random.ts";
import { openSimulated } from "../kit/simulated.ts";
import { Counter } from "./modules/counter.protocol.ts";
import { counterModule } from "./stage.ts";

const RUNS = 25;
const STEPS = 120;

/** What the counter does, without messages. */
class Model {
  total = 0;
  readonly notes: string[] = [];
}

it("answers any mix of messages, small and large, as if they were carried out one by one in the order sent", async () => {
  const random = seededRandom(testSeed());
  const below = (limit: number): number => Math.floor(random.next() * limit);
  for (let run = 0; run < RUNS; run++) {
    const seed = below(2 ** 32);
    await using simulated = await openSimulated({ modules: [counterModule], seed });
    const { supervisor, drive, scheduler } = simulated;
    const mailbox = { messages: 2 + below(30), ringBytes: 4_096 };
    const counter = await drive(
      supervisor.spawn(Counter, { module: counterModule, init: { limit: 1_000_000 }, mailbox }),
    );
    const model = new Model();
    /** Each settles with true when the answer was the model's, with false when the message was refused. */
    const checks: Promise<boolean>[] = [];
    const check = (answer: Promise<unknown>, expected: unknown): void => {
      const checked = answer.then(
        (value) => {
          expect(value, `run ${run}, seed ${seed}`).toEqual(expected);
          return true;
        },
        (error: unknown) => {
          if (!isFault(error, "MAILBOX_FULL")) throw error;
          return false;
        },
      );
      checked.catch(() => undefined); // awaited below
      checks.push(checked);
    };
    /** A refusal is known at once: the model takes a step only when the message was sent. */
    const sent = (before: number): boolean => supervisor.metrics().counters.messagesRefused === before;

    for (let step = 0; step < STEPS; step++) {
      const refused = supervisor.metrics().counters.messagesRefused;
      const kind = below(6);
      const text = String.fromCharCode(97 + below(26)).repeat(
        random.next() < 0.1 ? below(12_000) : below(60),
      );
      if (kind === 0) {
        const by = below(10);
        const answer = counter.call.add({ by });
        if (sent(refused)) model.total += by;
        check(answer, model.total);
      } else if (kind === 1) {
        if (counter.cast.reset()) model.total = 0;
      } else if (kind === 2) {
        if (counter.cast.note({ text })) model.notes.push(text);
      } else if (kind === 3) {
        check(counter.call.echo({ value: text }), { value: text });
      } else if (kind === 4) {
        check(counter.call.notes(), [...model.notes]);
      } else {
        for (let turns = below(8); turns > 0; turns--) await scheduler.step();
      }
    }
    const answered = await drive(Promise.all(checks));
    expect(answered.includes(true), `run ${run}, seed ${seed}: something was sent`).toBe(true);
    await drive(counter.writable());
    expect(await drive(counter.call.total())).toBe(model.total);
    expect(await drive(counter.call.notes())).toEqual(model.notes);
  }
});
