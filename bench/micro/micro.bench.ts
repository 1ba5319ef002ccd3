import { StreamDecoder, StreamEncoder, packValue, unpackValue } from "../../src/codec/index.ts";
import { advance, taskTable } from "../../src/lifecycle/index.ts";
import { RingReader, RingWriter, createRing } from "../../src/ring/index.ts";
import { METRICS, createMetricsBlock } from "../../src/telemetry/index.ts";
import { instantiate, templateFrom } from "../../src/workflow/template.ts";
import { taskMessage } from "../actor/task-message.ts";
import { nanosecondsPerRun } from "../kit/micro.ts";
import { median, result, type Measured } from "../kit/suite.ts";

/** The pieces that every message passes, each beside what a program without them would use. */
const FRAMES = 64;
const STEPS = 50;

export default async function measure(): Promise<Measured> {
  const task = taskMessage(1);
  const encoder = new StreamEncoder();
  const decoder = new StreamDecoder();
  encoder.encode(task);
  decoder.define(encoder.definitions());
  const encoded = Buffer.from(encoder.encode(task));
  const packed = packValue(task);
  const json = JSON.stringify(task);
  const shared = createRing(65_536);
  const writer = new RingWriter(shared);
  const reader = new RingReader(shared);
  const metrics = createMetricsBlock();
  const source = chain();
  const template = templateFrom(source, "chain");
  const samples = await nanosecondsPerRun({
    encode_record: () => void encoder.encode(task),
    encode_plain_msgpack: () => void packValue(task),
    encode_json: () => void JSON.stringify(task),
    decode_record: () => void decoder.decode(encoded, 0, encoded.length),
    decode_plain_msgpack: () => void unpackValue(packed),
    decode_json: () => void JSON.parse(json),
    structured_clone: () => void structuredClone(task),
    ring_64_frames: () => {
      for (let frame = 0; frame < FRAMES; frame++) writer.claim(96);
      writer.publish();
      while (reader.next() >= 0);
      reader.release();
    },
    lifecycle_transition: () => void advance(taskTable, "queued", "start"),
    template_50_steps: () => void templateFrom(source, "chain"),
    // The arguments are checked each time.
    instantiate_50_steps: () => void instantiate(template, { directory: "data" }, "w"),
    count_a_metric: () => metrics.count(METRICS.messagesSent),
  });
  return {
    durability: "none",
    results: Object.entries(samples).map(([name, values]) => result(name, "ns", values)),
    ratios: [
      {
        name: "instantiate_50_steps_us",
        value: median(samples["instantiate_50_steps"] ?? []) / 1_000,
        atMost: 100,
      },
    ],
    samples: {},
  };
}

/** A template of steps that each take a parameter and what the one before gave. */
function chain(): unknown {
  const steps = Array.from({ length: STEPS }, (_, at) => ({
    step_id: `s${at}`,
    action: "echo",
    depends_on: at === 0 ? [] : [`s${at - 1}`],
    inputs: {
      path: `\${directory}/${at}`,
      limit: "${limit}",
      rows: at === 0 ? [] : `\${{ steps.s${at - 1}.output.rows }}`,
    },
  }));
  const parameters = [
    { name: "directory", type: "string", validation: "\\w+$" },
    { name: "limit", type: "number", default: 100 },
  ];
  return { template_id: "chain", name: "Chain", parameters, steps };
}
