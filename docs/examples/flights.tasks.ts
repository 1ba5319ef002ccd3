import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { CsvError, parse } from "csv-parse/sync";
import { defineTasks, handler, type TaskContext } from "mcplusplus";
import * as z from "zod";

/**
 * The handlers of `flights.json`: delays by hour and the busiest airports, from three files that are not trusted.
 * Whatever is wrong with a file ends the step with one sentence that names the file, the place and what was found.
 */

const HOURS = 24;
/** A loop this long takes well below a millisecond, so that cancelling it feels immediate. */
const RECORDS_PER_CHECKPOINT = 8_192;
const BUSIEST = 20;

const FileVersion = z.object({ path: z.string(), sha256: z.string(), sizeBytes: z.number() });
type FileVersion = z.infer<typeof FileVersion>;

/** A part of the flights as columns: a tenth of the size of the records, and the same length in both. */
const Shard = z.object({
  hours: z.array(
    z
      .int()
      .min(0)
      .max(HOURS - 1),
  ),
  delays: z.array(z.number()),
});
type Shard = z.infer<typeof Shard>;

/**
 * `delays` counts the flights by delay, ascending. It loses nothing, which a sketch of the distribution would: the
 * percentile of all shards together comes out exactly.
 */
const HourCounts = z.object({
  hour: z.number(),
  flights: z.number(),
  delaySum: z.number(),
  delays: z.array(z.tuple([z.number(), z.number()])),
});
type HourCounts = z.infer<typeof HourCounts>;

/** Minutes, not rounded: rounding is a matter of showing. */
const HourDelay = z.object({
  hour: z.number(),
  flights: z.number(),
  mean_delay: z.number(),
  p95_delay: z.number(),
});
export type HourDelay = z.infer<typeof HourDelay>;

const AirportTraffic = z.object({
  iata: z.string(),
  name: z.string(),
  city: z.string(),
  state: z.string(),
  departures: z.number(),
  arrivals: z.number(),
  total: z.number(),
});
export type AirportTraffic = z.infer<typeof AirportTraffic>;

/** What `report.json` holds. */
export interface FlightsReport {
  readonly rows: number;
  readonly delay_by_hour: readonly HourDelay[];
  readonly busiest_airports: readonly AirportTraffic[];
}

export default defineTasks({
  fingerprint: handler({
    description: "SHA-256 and size of the three files, so that the steps after it are cached by content.",
    input: z.object({ flights: z.string(), routes: z.string(), airports: z.string() }),
    async run({ flights, routes, airports }, context) {
      return {
        flights: await versionOf(flights, context),
        routes: await versionOf(routes, context),
        airports: await versionOf(airports, context),
      };
    },
  }),

  split: handler({
    description: "Reads and checks the flights and keeps them as shards of columns.",
    input: z.object({ flights: FileVersion, shards: z.int().min(1).max(64) }),
    async run({ flights, shards }, context) {
      const records = recordsOf(flights.path, await readText(flights, context));
      context.progress(0.5, `${records.length} flights read`);
      const kept = [];
      for (let shard = 0; shard < shards; shard += 1) {
        const start = Math.floor((records.length * shard) / shards);
        const end = Math.floor((records.length * (shard + 1)) / shards);
        kept.push(await context.keep(columnsOf(flights.path, records, start, end, context)));
        context.progress(0.5 + (shard + 1) / shards / 2);
      }
      return { rows: records.length, shards: kept };
    },
  }),

  aggregate: handler({
    description: "Counts the flights of one shard by hour and delay.",
    input: z.object({ shard: Shard }),
    run: ({ shard }, context) => ({ hours: countByHour(shard, context) }),
  }),

  merge: handler({
    description: "Mean and exact 95th percentile of the delay by hour, over all shards.",
    input: z.object({ parts: z.array(z.object({ hours: z.array(HourCounts) })) }),
    run({ parts }, context) {
      const all = parts.flatMap((part) => part.hours);
      const delay_by_hour: HourDelay[] = [];
      for (let hour = 0; hour < HOURS; hour += 1) {
        context.checkpoint();
        const counts = all.filter((each) => each.hour === hour);
        if (counts.length > 0) delay_by_hour.push(delayOf(hour, counts));
      }
      return { rows: delay_by_hour.reduce((sum, each) => sum + each.flights, 0), delay_by_hour };
    },
  }),

  airports: handler({
    description: "Departures and arrivals of every airport, busiest first, with its name.",
    input: z.object({ routes: FileVersion, airports: FileVersion }),
    async run({ routes, airports }, context) {
      const names = namesOf(airports.path, await readText(airports, context), context);
      context.progress(0.5, `${names.size} airports read`);
      const traffic = trafficOf(routes.path, await readText(routes, context), context);
      return { airports: busiestFirst(traffic, names) };
    },
  }),

  report: handler({
    description: "Writes report.json and returns what it holds.",
    input: z.object({
      rows: z.number(),
      delay_by_hour: z.array(HourDelay),
      airports: z.array(AirportTraffic),
      file: z.string(),
    }),
    async run({ rows, delay_by_hour, airports, file }, context) {
      const report = { rows, delay_by_hour, busiest_airports: airports.slice(0, BUSIEST) };
      await context.writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
      context.log(`${file} written`);
      return report satisfies FlightsReport;
    },
  }),
});

// --- files ----------------------------------------------------------------------------------------------------------

async function readBytes(path: string, context: TaskContext): Promise<Buffer> {
  const bytes = await readFile(context.path(path), { signal: context.signal }).catch((error: unknown) => {
    context.checkpoint();
    throw new Error(`${path} cannot be read: ${reasonOf(error)}`, { cause: error });
  });
  if (bytes.length === 0) throw new Error(`${path} is empty`);
  return bytes;
}

async function versionOf(path: string, context: TaskContext): Promise<FileVersion> {
  const bytes = await readBytes(path, context);
  context.checkpoint();
  return { path, sha256: hash("sha256", bytes), sizeBytes: bytes.length };
}

/** A result is kept under the hash of the file, so it must come from those very bytes. */
async function readText({ path, sha256 }: FileVersion, context: TaskContext): Promise<string> {
  const bytes = await readBytes(path, context);
  if (hash("sha256", bytes) !== sha256)
    throw new Error(`${path} was changed while the job ran; run the job again`);
  context.checkpoint();
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Error(`${path} is not UTF-8 text`, { cause });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EISDIR: "it is a directory",
  EACCES: "permission is denied",
};

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? String(error.code) : "";
  // The messages of parsers quote what they found, line ends included; a sentence has none.
  return REASONS[code] ?? error.message.replace(/\s+/g, " ");
}

// --- flights --------------------------------------------------------------------------------------------------------

function recordsOf(path: string, text: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${path} is not valid JSON: ${reasonOf(cause)}`, { cause });
  }
  if (!Array.isArray(value)) throw new Error(`${path} holds ${shown(value)}; an array of flights is needed`);
  if (value.length === 0) throw new Error(`${path} holds no flights: its array is empty`);
  return value;
}

function columnsOf(
  path: string,
  records: readonly unknown[],
  start: number,
  end: number,
  context: TaskContext,
): Shard {
  const hours: number[] = [];
  const delays: number[] = [];
  for (let index = start; index < end; index += 1) {
    if (index % RECORDS_PER_CHECKPOINT === 0) context.checkpoint();
    const record = records[index];
    const refuse = (found: string): never => {
      throw new Error(`${path} has a wrong record at index ${index}: ${found}`);
    };
    if (typeof record !== "object" || record === null || Array.isArray(record)) {
      return refuse(`it is ${shown(record)}; an object with delay, distance and time is needed`);
    }
    const { delay, distance, time } = record as Record<string, unknown>;
    if (!isNumber(delay)) return refuse(`delay is ${shown(delay)}; a number of minutes is needed`);
    if (!isNumber(distance)) return refuse(`distance is ${shown(distance)}; a number is needed`);
    if (!isNumber(time) || time < 0 || time >= HOURS) {
      return refuse(`time is ${shown(time)}; an hour from 0 to below ${HOURS} is needed`);
    }
    hours.push(Math.trunc(time));
    delays.push(delay);
  }
  return { hours, delays };
}

const isNumber = (value: unknown): value is number => Number.isFinite(value);

/** What was found instead, short enough for a sentence. */
function shown(value: unknown): string {
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  const text = JSON.stringify(value);
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
}

function countByHour({ hours, delays }: Shard, context: TaskContext): HourCounts[] {
  const counts = Array.from({ length: HOURS }, () => ({
    flights: 0,
    delaySum: 0,
    delays: new Map<number, number>(),
  }));
  for (const [index, delay] of delays.entries()) {
    if (index % RECORDS_PER_CHECKPOINT === 0) context.checkpoint();
    const count = counts[hours[index] ?? -1];
    if (count === undefined) throw new Error(`the shard has no hour for its flight ${index}`);
    count.flights += 1;
    count.delaySum += delay;
    count.delays.set(delay, (count.delays.get(delay) ?? 0) + 1);
  }
  return counts.flatMap((count, hour) =>
    count.flights === 0 ? [] : [{ hour, ...count, delays: ascending(count.delays) }],
  );
}

const ascending = (counts: ReadonlyMap<number, number>): [number, number][] =>
  [...counts].sort(([one], [other]) => one - other);

function delayOf(hour: number, parts: readonly HourCounts[]): HourDelay {
  const flights = parts.reduce((sum, part) => sum + part.flights, 0);
  const delaySum = parts.reduce((sum, part) => sum + part.delaySum, 0);
  const counts = new Map<number, number>();
  for (const [delay, count] of parts.flatMap((part) => part.delays)) {
    counts.set(delay, (counts.get(delay) ?? 0) + count);
  }
  return {
    hour,
    flights,
    mean_delay: delaySum / flights,
    p95_delay: nearestRank(ascending(counts), flights),
  };
}

/** The ceil(0.95 n)-th smallest of n values; the rank is computed in whole numbers, which are exact. */
function nearestRank(counts: readonly (readonly [number, number])[], size: number): number {
  const rank = Math.ceil((95 * size) / 100);
  let seen = 0;
  for (const [value, count] of counts) {
    seen += count;
    if (seen >= rank) return value;
  }
  throw new Error(`the counts add up to ${seen} values, but ${size} were announced`);
}

// --- airports -------------------------------------------------------------------------------------------------------

type Row = Readonly<Record<string, string>>;

function rowsOf(path: string, text: string, columns: readonly string[]): Row[] {
  const checked = (header: string[]): string[] => {
    const missing = columns.filter((column) => !header.includes(column));
    if (missing.length === 0) return header;
    throw new Error(`${path} has no column ${missing.join(", ")}; its columns are ${header.join(", ")}`);
  };
  let rows: Row[];
  try {
    rows = parse(text, { columns: checked, skip_empty_lines: true });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new Error(`${path} is not a valid CSV file: ${reasonOf(error)}`, { cause: error });
  }
  if (rows.length === 0) throw new Error(`${path} has no rows below its columns`);
  return rows;
}

function namesOf(path: string, text: string, context: TaskContext): Map<string, Row> {
  context.checkpoint();
  return new Map(
    rowsOf(path, text, ["iata", "name", "city", "state"]).map((row) => [row["iata"] ?? "", row]),
  );
}

interface Traffic {
  departures: number;
  arrivals: number;
}

function trafficOf(path: string, text: string, context: TaskContext): Map<string, Traffic> {
  const airports = new Map<string, Traffic>();
  const airport = (iata: string): Traffic => {
    const traffic = airports.get(iata) ?? { departures: 0, arrivals: 0 };
    airports.set(iata, traffic);
    return traffic;
  };
  for (const [index, row] of rowsOf(path, text, ["origin", "destination", "count"]).entries()) {
    if (index % RECORDS_PER_CHECKPOINT === 0) context.checkpoint();
    const { origin = "", destination = "", count = "" } = row;
    const refuse = (found: string): never => {
      throw new Error(`${path} has a wrong row at index ${index}: ${found}`);
    };
    if (origin === "" || destination === "")
      return refuse("origin or destination is empty; two airports are needed");
    if (!/^\d{1,15}$/.test(count)) return refuse(`count is ${shown(count)}; a whole number is needed`);
    airport(origin).departures += Number(count);
    airport(destination).arrivals += Number(count);
  }
  return airports;
}

function busiestFirst(
  traffic: ReadonlyMap<string, Traffic>,
  names: ReadonlyMap<string, Row>,
): AirportTraffic[] {
  return [...traffic]
    .map(([iata, { departures, arrivals }]) => {
      const { name = "", city = "", state = "" } = names.get(iata) ?? {};
      return { iata, name, city, state, departures, arrivals, total: departures + arrivals };
    })
    .sort((one, other) => other.total - one.total || (one.iata < other.iata ? -1 : 1));
}
