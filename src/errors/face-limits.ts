import { limit, type LimitTable } from "./limit.ts";

/** Bounds of what the system shows to users, to other processes and to other machines: line 7 and above. */
export const FACE_LIMITS = {
  tools: {
    own: limit(200, "tools", "Tools of the user's own in one server."),
    titleChars: limit(200, "characters", "Title of a tool."),
    descriptionChars: limit(4_000, "characters", "Description of a tool; at least one."),
    schemaChars: limit(50_000, "characters", "Schema of a tool's arguments, or of its answers, as JSON."),
  },
  attach: {
    guests: limit(32, "processes", "Processes that are attached to the owner of one data directory."),
    helloMs: limit(2_000, "ms", "How long either side may take to say who it is."),
    helloBytes: limit(1_048_576, "bytes", "What a process says of itself when it attaches."),
    callsInFlight: limit(2_048, "calls", "Calls of one guest that wait for their reply."),
    subscriptions: limit(256, "subscriptions", "Event subscriptions of one guest."),
    unreadBytes: limit(
      64 * 2 ** 20,
      "bytes",
      "What has been sent over a local socket and not been read; above it the reader is cut off.",
    ),
    waitMs: limit(
      40_000,
      "ms",
      "How long an opening waits for another process that opens or closes the same data directory.",
    ),
    ownedMs: limit(
      1_000,
      "ms",
      "How long an opening waits for an owner that lets nobody attach; a guest whose owner has ended waits as above.",
    ),
  },
  lists: {
    pageItems: limit(1_000, "items", "One page of any list."),
  },
  mcp: {
    inputElements: limit(100_000, "elements", "Elements of one tool's arguments, nested ones included."),
    lineBytes: limit(10_485_760, "bytes", "One message over standard input, which is one line."),
    inFlight: limit(256, "requests", "Requests of one client that wait for their answer."),
    endGraceMs: limit(5_000, "ms", "How long answers are waited for after the end of standard input."),
    callMs: limit(
      45_000,
      "ms",
      "How long a call of a tool may keep its client waiting: most clients give up after 60 s.",
    ),
    resultBytes: limit(
      100_000,
      "bytes",
      "Answer of a tool as JSON; what is left out of it is told, with where the whole can be read.",
    ),
    resourceBytes: limit(8_388_608, "bytes", "Text of one resource."),
    confirmations: limit(
      1_000,
      "tokens",
      "Confirmations that are waited for; the oldest is forgotten first.",
    ),
    confirmationMs: limit(600_000, "ms", "How long a confirmation may take."),
    completions: limit(100, "values", "Values that one completion suggests."),
    httpConnections: limit(
      100,
      "connections",
      "Connections to a listener at a time; at most 10,000.",
      "serve --max-connections",
    ),
    httpConnectionsMax: limit(10_000, "connections", "The most that a listener may be allowed."),
    httpBodyBytes: limit(4 * 2 ** 20, "bytes", "Body of one request over HTTP."),
    httpHeadMs: limit(10_000, "ms", "How long a client may take to send the head of a request."),
    httpRequestMs: limit(30_000, "ms", "How long one request over HTTP may take.", "serve --request-timeout"),
    httpRequestMsMax: limit(600_000, "ms", "The longest that a request may be allowed."),
    httpIdleMs: limit(5_000, "ms", "How long a connection without a request is kept."),
    httpDrainMs: limit(10_000, "ms", "How long requests under way are waited for when a listener stops."),
    httpCompressBytes: limit(1_024, "bytes", "Shorter answers are not compressed."),
    tokenChars: limit(
      16,
      "characters",
      "A token that requests must bear has at least so many; at most 4,096.",
    ),
  },
  load: {
    ratePerSecond: limit(1_000_000, "requests", "Arrivals in one second.", "--rate"),
    durationS: limit(86_400, "seconds", "Measured time of one run, or of one step of a sweep.", "--duration"),
    warmupS: limit(3_600, "seconds", "Warm-up of one run, or of one step of a sweep.", "--warmup"),
    p99Ms: limit(3_600_000, "ms", "The 99th percentile that a step of a sweep may be allowed.", "--p99"),
    outstanding: limit(
      10_000,
      "requests",
      "Requests under way at once; arrivals above it are counted and not sent.",
      "--outstanding",
    ),
    outstandingMax: limit(12_000, "requests", "The most that may be allowed under way at once."),
    payloadBytes: limit(900_000, "bytes", "Text in the input of one request.", "--payload-bytes"),
    sweepSteps: limit(40, "steps", "Steps of one sweep."),
    requests: limit(100_000_000, "requests", "Requests of one command: each takes a byte of memory."),
    drainMs: limit(60_000, "ms", "How long the end of a run waits for what is outstanding."),
    examples: limit(10, "tasks", "Tasks that a finding of the check names; the rest are counted."),
  },
  transfer: {
    lineBytes: limit(67_108_864, "bytes", "One line of an export file."),
    blobBytes: limit(
      268_435_456,
      "bytes",
      "Large value that an export carries; larger ones are counted and left out.",
    ),
    pieceBytes: limit(786_432, "bytes", "Piece of a large value that stands in one line of an export file."),
  },
} as const satisfies LimitTable;
