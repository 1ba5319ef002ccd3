import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parse } from "csv-parse/sync";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FlightsReport } from "../../docs/examples/flights.tasks.ts";
import { fault } from "../../src/errors/index.ts";
import { runFlightsJob, steps, type FlightsJob } from "./flights-job.ts";

const DATA = resolve(import.meta.dirname, "../../node_modules/vega-datasets/data");

let directory: string;
let job: FlightsJob;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "flights-"));
  job = await runFlightsJob();
});

afterAll(() => rm(directory, { recursive: true }));

async function fileWith(content: string | Uint8Array, name = "data"): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

/** The same figures the plain way: everything at once, every delay of an hour sorted. */
async function expectedReport(): Promise<FlightsReport> {
  const read = (name: string): Promise<string> => readFile(join(DATA, name), "utf8");
  const flights = JSON.parse(await read("flights-200k.json")) as { delay: number; time: number }[];
  const byHour = Map.groupBy(flights, ({ time }) => Math.floor(time));
  const delay_by_hour = [...byHour].map(([hour, group]) => {
    const sorted = Float64Array.from(group, ({ delay }) => delay).sort();
    return {
      hour,
      flights: group.length,
      mean_delay: sorted.reduce((sum, delay) => sum + delay) / group.length,
      p95_delay: sorted[Math.ceil(0.95 * group.length) - 1] ?? Number.NaN,
    };
  });
  const routes: string[][] = parse(await read("flights-airport.csv"), { from_line: 2 });
  const known: string[][] = parse(await read("airports.csv"), { from_line: 2 });
  const sumWhere = (column: number, code: string): number =>
    routes.filter((route) => route[column] === code).reduce((sum, route) => sum + Number(route[2]), 0);
  const busiest_airports = [
    ...new Set(routes.flatMap(([origin = "", destination = ""]) => [origin, destination])),
  ]
    .map((iata) => {
      const [, name = "", city = "", state = ""] = known.find(([code]) => code === iata) ?? [];
      const [departures, arrivals] = [sumWhere(0, iata), sumWhere(1, iata)];
      return { iata, name, city, state, departures, arrivals, total: departures + arrivals };
    })
    .sort((a, b) => a.iata.localeCompare(b.iata, "en"))
    .sort((a, b) => b.total - a.total);
  return {
    rows: flights.length,
    delay_by_hour: delay_by_hour.sort((a, b) => a.hour - b.hour),
    busiest_airports: busiest_airports.slice(0, 20),
  };
}

describe("the flights job over the real data", () => {
  it("gives what a plain computation of everything at once gives", async () => {
    const expected = await expectedReport();
    const report = job.outputs["report"] as FlightsReport;
    expect(report).toEqual({
      ...expected,
      delay_by_hour: expected.delay_by_hour.map((each) => ({
        ...each,
        mean_delay: expect.closeTo(each.mean_delay, 9) as number,
      })),
    });
    expect(report.rows).toBe(200_000);
  });

  it("writes exactly that as JSON", () => {
    const text = job.written.get("out/report.json") ?? "";
    expect(JSON.parse(text)).toEqual(job.outputs["report"]);
    expect(Object.keys(JSON.parse(text) as object)).toEqual(["rows", "delay_by_hour", "busiest_airports"]);
    expect(job.written.size).toBe(1);
  });

  it("reports progress that only rises within a step", async () => {
    const seen: number[][] = [];
    await runFlightsJob({
      beforeStep: () => void seen.push([]),
      context: { progress: (fraction) => void seen.at(-1)?.push(fraction) },
    });
    expect(seen.flat().length).toBeGreaterThan(0);
    for (const fractions of seen) {
      expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
      expect(fractions.every((fraction) => fraction > 0 && fraction <= 1)).toBe(true);
    }
  });

  it("names in the inputs of a cached step what the files hold, so that other content is another key", () => {
    const { flights, routes, airports } = job.outputs["fingerprint"] as Record<string, { sha256: string }>;
    const hashes = [flights, routes, airports].map((file) => file?.sha256);
    expect(new Set(hashes).size).toBe(3);
    for (const sha256 of hashes) expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    const cached = steps.filter((step) => "cache" in step).map(({ step_id }) => step_id);
    expect(cached).toEqual(
      steps.map(({ step_id }) => step_id).filter((id) => !["fingerprint", "report"].includes(id)),
    );
    const inputsOf = (id: string): string =>
      JSON.stringify(steps.find((step) => step.step_id === id)?.inputs);
    expect(inputsOf("split")).toContain("${{ steps.fingerprint.output.flights }}");
    expect(inputsOf("airports")).toContain("${{ steps.fingerprint.output.routes }}");
    expect(inputsOf("airports")).toContain("${{ steps.fingerprint.output.airports }}");
  });
});

describe("the flights job over small data", () => {
  const run = async (parameters: Record<string, string>): Promise<FlightsReport> =>
    (await runFlightsJob({ parameters })).outputs["report"] as FlightsReport;

  it("takes the ceil(0.95 n)-th smallest delay, and counts hours that occur only", async () => {
    const twenty = Array.from({ length: 20 }, (_, index) => ({ delay: 20 - index, distance: 1, time: 7.99 }));
    const flights = await fileWith(JSON.stringify([...twenty, { delay: -1.5, distance: 1, time: 23.5 }]));
    expect((await run({ flights })).delay_by_hour).toEqual([
      { hour: 7, flights: 20, mean_delay: 10.5, p95_delay: 19 },
      { hour: 23, flights: 1, mean_delay: -1.5, p95_delay: -1.5 },
    ]);
  });

  it("orders airports of equal traffic by code, and leaves the names of unknown ones empty", async () => {
    const routes = await fileWith("\ufeffcount,origin,destination\n5,ZZZ,ATL\n\n5,QQQ,ATL\n");
    expect((await run({ routes })).busiest_airports).toEqual([
      expect.objectContaining({ iata: "ATL", city: "Atlanta", departures: 0, arrivals: 10, total: 10 }),
      { iata: "QQQ", name: "", city: "", state: "", departures: 5, arrivals: 0, total: 5 },
      { iata: "ZZZ", name: "", city: "", state: "", departures: 5, arrivals: 0, total: 5 },
    ]);
  });

  it("writes the report where it is asked to", async () => {
    const { written } = await runFlightsJob({ parameters: { out: "elsewhere/deep" } });
    expect([...written.keys()]).toEqual(["elsewhere/deep/report.json"]);
  });
});

describe("a broken data file", () => {
  const flight = (rest: object): string =>
    JSON.stringify([
      { delay: 1, distance: 1, time: 1 },
      { delay: 1, distance: 1, time: 1, ...rest },
    ]);

  it.each([
    ["flights", "", " is empty"],
    ["flights", "[]", " holds no flights: its array is empty"],
    ["flights", `{"delay":1}`, " holds an object; an array of flights is needed"],
    ["flights", "null", " holds null; an array of flights is needed"],
    ["flights", `[{"delay":1`, /^FILE is not valid JSON: [^\n]+$/],
    ["flights", `[{"a\nb": 1}]`, /^FILE is not valid JSON: [^\n]+$/],
    ["flights", Uint8Array.of(0x5b, 0xff, 0x5d), " is not UTF-8 text"],
    [
      "flights",
      "[7]",
      " has a wrong record at index 0: it is 7; an object with delay, distance and time is needed",
    ],
    [
      "flights",
      "[[1]]",
      " has a wrong record at index 0: it is an array; an object with delay, distance and time is needed",
    ],
    [
      "flights",
      flight({ delay: "late" }),
      ` has a wrong record at index 1: delay is "late"; a number of minutes is needed`,
    ],
    [
      "flights",
      flight({ delay: null }),
      " has a wrong record at index 1: delay is null; a number of minutes is needed",
    ],
    [
      "flights",
      flight({ delay: { by: 1 } }),
      " has a wrong record at index 1: delay is an object; a number of minutes is needed",
    ],
    [
      "flights",
      flight({ distance: undefined }),
      " has a wrong record at index 1: distance is missing; a number is needed",
    ],
    [
      "flights",
      flight({ time: 24 }),
      " has a wrong record at index 1: time is 24; an hour from 0 to below 24 is needed",
    ],
    [
      "flights",
      flight({ time: "x".repeat(99) }),
      ` has a wrong record at index 1: time is "${"x".repeat(39)}…; an hour from 0 to below 24 is needed`,
    ],
    ["routes", "", " is empty"],
    ["routes", "origin,destination,count\n", " has no rows below its columns"],
    [
      "routes",
      "from,to,count\nA,B,1\n",
      " has no column origin, destination; its columns are from, to, count",
    ],
    ["routes", "origin,destination,count\nA,B\n", /^FILE is not a valid CSV file: [^\n]+$/],
    ["routes", `origin,destination,count\nA,"B,1\n`, /^FILE is not a valid CSV file: [^\n]+$/],
    [
      "routes",
      "origin,destination,count\nA,B,1\nA,B,-1\n",
      ` has a wrong row at index 1: count is "-1"; a whole number is needed`,
    ],
    [
      "routes",
      "origin,destination,count\nA,,1\n",
      " has a wrong row at index 0: origin or destination is empty; two airports are needed",
    ],
    ["airports", "iata,name,city\nA,B,C\n", " has no column state; its columns are iata, name, city"],
  ])(
    "of %s with %j is named in one sentence that says what was found",
    async (parameter, content, sentence) => {
      const path = await fileWith(content);
      const flights = await fileWith(flight({}), "few.json");
      const message = await runFlightsJob({ parameters: { flights, [parameter]: path } }).then(
        () => "it ran",
        (error: unknown) => (error as Error).message,
      );
      if (typeof sentence === "string") expect(message).toBe(`${path}${sentence}`);
      else expect(message.replace(path, "FILE")).toMatch(sentence);
    },
  );

  it.each([
    ["missing", (): string => join(directory, "gone.json"), "there is no such file"],
    ["below a file", (): string => join(import.meta.filename, "x"), "there is no such file"],
    ["a directory", (): string => directory, "it is a directory"],
  ])("that is %s is named with the reason", async (_, path, reason) => {
    await expect(runFlightsJob({ parameters: { airports: path() } })).rejects.toThrow(
      new Error(`${path()} cannot be read: ${reason}`),
    );
  });

  it("that changes while the job runs is refused, because its result would be cached under the wrong content", async () => {
    const flights = await fileWith(flight({}));
    const beforeStep = async (stepId: string): Promise<void> => {
      if (stepId === "split") await fileWith(flight({ delay: 2 }));
    };
    const ran = runFlightsJob({ parameters: { flights }, beforeStep });
    await expect(ran).rejects.toThrow(`${flights} was changed while the job ran; run the job again`);
  });
});

describe("a cancelled flights job", () => {
  const cancelled = fault("CANCELLED", { what: "the flights job" });

  it.each(steps.map(({ step_id }) => step_id).filter((id) => id !== "report"))(
    "stops within %s, with the cancellation itself",
    async (wanted) => {
      let current = "";
      const checkpoint = (): void => {
        if (current === wanted) throw cancelled;
      };
      const ran = runFlightsJob({ context: { checkpoint }, beforeStep: (stepId) => void (current = stepId) });
      await expect(ran).rejects.toBe(cancelled);
      expect(current).toBe(wanted);
    },
  );

  it("stops reading a file, and says that it was cancelled rather than that the file is unreadable", async () => {
    const controller = new AbortController();
    controller.abort();
    const checkpoint = (): void => {
      throw cancelled;
    };
    await expect(runFlightsJob({ context: { signal: controller.signal, checkpoint } })).rejects.toBe(
      cancelled,
    );
  });
});
