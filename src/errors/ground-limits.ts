import { limit, type LimitTable } from "./limit.ts";

/** Bounds of what everything stands on: the values, bytes and files of lines 0 to 2. */
export const GROUND_LIMITS = {
  errors: {
    causes: limit(4, "errors", "Length of a chain of causes that crosses a thread; what lies deeper is cut."),
    siblings: limit(16, "errors", "Failures of one scope that cross together."),
    textChars: limit(2_000, "characters", "One text of an error; a longer one is cut."),
    totalChars: limit(262_144, "characters", "All texts of one error, its causes included."),
    details: limit(32, "entries", "Details of one error."),
    detailItems: limit(1_000, "items", "Items of one detail, such as the names that are known."),
  },
  scope: {
    causes: limit(
      16,
      "errors",
      "Causes that are followed to tell whether an error is news: they may form a ring.",
    ),
  },
  telemetry: {
    lineChars: limit(
      8_000,
      "characters",
      "One line of the log; fields that do not fit are left out and counted.",
    ),
    textChars: limit(
      2_000,
      "characters",
      "The message, and each text among the fields; a longer one is cut.",
    ),
    depth: limit(5, "levels", "Nesting of a field; what lies deeper is named instead."),
    items: limit(50, "items", "Items of a list or object among the fields; the rest are counted."),
  },
  schema: {
    wireDepth: limit(128, "levels", "Nesting of a value that crosses threads, inputs of steps included."),
    wireBytes: limit(
      268_435_456,
      "bytes",
      "Packed value that crosses threads by reference: an output, or what a handler keeps.",
    ),
    canonicalDepth: limit(1_000, "levels", "Nesting of a value that is written as canonical JSON."),
  },
  ring: {
    sizeBytes: limit(
      262_144,
      "bytes",
      "Ring of one direction of one link; a power of two.",
      "mailbox.ringBytes",
    ),
    sizeBytesMin: limit(4_096, "bytes", "The smallest ring."),
    sizeBytesMax: limit(2 ** 28, "bytes", "The largest ring."),
  },
  executor: {
    concurrent: limit(10, "functions", "Functions that one executor runs at once.", "maxConcurrent"),
    concurrentMax: limit(10_000, "functions", "The most that may be allowed at once."),
    executions: limit(
      1_000_000,
      "functions",
      "Functions that wait for a slot of one executor, and the length of one list.",
    ),
    timeoutMs: limit(30_000, "ms", "How long one function may run, from its start.", "timeoutMs"),
    timeoutMsMax: limit(604_800_000, "ms", "The longest time that may be allowed: seven days."),
  },
  store: {
    batchUnits: limit(
      1_024,
      "writes",
      "Writes in one transaction; the rest of a turn go into the next.",
      "limits.batchUnits",
    ),
    walBytes: limit(
      64 * 2 ** 20,
      "bytes",
      "Log above which the next batch waits for a checkpoint.",
      "limits.walBytes",
    ),
    statements: limit(256, "statements", "Prepared statements that are kept.", "limits.statements"),
    wholeCheckBytes: limit(
      64 * 2 ** 20,
      "bytes",
      "File above which opening checks only the tables that are not read whole anyway.",
      "limits.wholeCheckBytes",
    ),
    idleMs: limit(
      1_000,
      "ms",
      "Time without a write after which the log is moved into the file.",
      "limits.idleMs",
    ),
    collectMs: limit(3_600_000, "ms", "Time between two collections of large values that nobody names."),
    collectedAgeMs: limit(
      600_000,
      "ms",
      "Age below which a large value is not collected, beside the age of the oldest attempt that runs.",
    ),
  },
} as const satisfies LimitTable;
