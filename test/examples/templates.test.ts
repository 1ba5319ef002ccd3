import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { parse } from "csv-parse/sync";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "../../src/schema/zod-schema.ts";
import { readSource } from "../../src/workflow/template-source.ts";
import { run, temporaryDirectory } from "../cli/kit/command.ts";

const EXAMPLES = resolve(import.meta.dirname, "../../docs/examples");
const DATA = resolve(import.meta.dirname, "../../node_modules/vega-datasets/data");
const TEMPLATES = readdirSync(EXAMPLES).filter((name) => /\.(json|yaml)$/.test(name));

/** Runs an example to its end, and gives what it wrote. */
async function written(template: string, file: string, ...flags: string[]): Promise<string> {
  const directory = temporaryDirectory();
  const out = join(directory, "out");
  const places = ["--data", join(directory, "data"), "--out", out, "--root", DATA];
  const { code, err } = await run("run", join(EXAMPLES, template), ...places, "--json", ...flags);
  expect([code, err]).toEqual([0, ""]);
  return readFileSync(join(out, file), "utf8");
}

// Each run starts a whole system, which takes long where the machine is shared.
describe("the example templates", { timeout: 60_000 }, () => {
  it.each(TEMPLATES)("%s is sound, and as the published schema wants it", async (name) => {
    const path = join(EXAMPLES, name);
    expect(await run("template", "check", path)).toMatchObject({ code: 0, err: "" });
    const published = readFileSync(resolve(EXAMPLES, "../schema/template.schema.json"), "utf8");
    const { $schema, definitions } = JSON.parse(published) as {
      $schema: "https://json-schema.org/draft/2020-12/schema";
      definitions: Record<string, never>;
    };
    const schema = z.fromJSONSchema({ $schema, definitions, $ref: "#/definitions/template" });
    expect(schema.safeParse(readSource(readFileSync(path, "utf8"), name).value).error).toBeUndefined();
  });

  it("weather.yaml gives for each month what a plain computation gives", async () => {
    const file = join(DATA, "seattle-weather.csv");
    const text = await written(
      "weather.yaml",
      "weather.json",
      "--param",
      `file=${file}`,
      "--param",
      "year=2014",
    );
    const { months } = JSON.parse(text) as { months: Record<string, unknown>[] };
    const days = parse<Record<string, string>>(readFileSync(file), { columns: true });
    const march = days.filter(({ date = "" }) => date.startsWith("2014-03"));
    const numbers = (column: string): number[] => march.map((day) => Number(day[column]));
    expect(months).toHaveLength(12);
    expect(months[2]).toEqual({
      month: "2014-03",
      days: 31,
      wet_days: numbers("precipitation").filter((mm) => mm >= 1).length,
      rain_mm: Number(
        numbers("precipitation")
          .reduce((sum, mm) => sum + mm)
          .toFixed(1),
      ),
      warmest: Math.max(...numbers("temp_max")),
      coldest: Math.min(...numbers("temp_min")),
    });
  });

  it("airports.json joins the two tables, busiest first", async () => {
    const tables = ["airports", "routes"].map((name) => {
      const file = name === "routes" ? "flights-airport.csv" : "airports.csv";
      return ["--param", `${name}=${join(DATA, file)}`];
    });
    const text = await written("airports.json", "airports.csv", ...tables.flat(), "--param", "state=CA");
    const rows = parse<Record<string, string>>(text, { columns: true });
    const routes = parse<Record<string, string>>(readFileSync(join(DATA, "flights-airport.csv")), {
      columns: true,
    });
    const departures = (iata: string): number =>
      routes.filter(({ origin }) => origin === iata).reduce((sum, { count }) => sum + Number(count), 0);
    expect(rows[0]).toEqual({
      iata: "LAX",
      name: "Los Angeles International",
      city: "Los Angeles",
      departures: String(departures("LAX")),
    });
    expect(rows.map((row) => Number(row["departures"]))).toEqual(
      rows.map(({ iata = "" }) => departures(iata)),
    );
    expect(rows.map((row) => Number(row["departures"]))).toEqual(
      rows.map((row) => Number(row["departures"])).toSorted((a, b) => b - a),
    );
    expect(rows.length).toBeGreaterThan(10);
  });

  it("snapshot.yaml tries again, keeps the fields that it was told, and files them by day", async () => {
    let requests = 0;
    const server = createServer((_, answer) => {
      requests += 1;
      if (requests === 1) answer.destroy();
      else answer.end(JSON.stringify([{ id: 1, name: "a", secret: "x" }, { id: 2 }]));
    });
    server.listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const parameters = { url: `http://127.0.0.1:${port}/list`, fields: '["id", "name"]', day: "2026-01-31" };
    const flags = Object.entries(parameters).flatMap(([name, value]) => ["--param", `${name}=${value}`]);
    const text = await written(
      "snapshot.yaml",
      "2026-01-31.json",
      ...flags,
      "--allow-host",
      `127.0.0.1:${port}`,
    );
    expect(JSON.parse(text)).toEqual({
      day: "2026-01-31",
      count: 2,
      rows: [{ id: 1, name: "a" }, { id: 2 }],
    });
    expect(requests).toBe(2);
  });
});
