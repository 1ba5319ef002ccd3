/**
 * Every bound of the system, each number once. The table stands in the lowest room so that every room can refer to its
 * own bounds by name; `docs/limits.md` is made from it. Numbers that only tune (how long to spin, how many frames are
 * handled in a turn) stay with the code they tune: no one runs against them.
 */

export interface Limit {
  readonly value: number;
  readonly unit: string;
  readonly means: string;
  /** The option that overrides it; absent = fixed. */
  readonly option?: string;
}

const limit = (value: number, unit: string, means: string, option?: string): Limit => ({
  value,
  unit,
  means,
  ...(option === undefined ? {} : { option }),
});

/** Room by room, in the order of the layers, from the bottom. */
export const LIMIT_TABLE = {
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
  actor: {
    protocolMembers: limit(
      65_535,
      "members",
      "Members of one protocol: a message has 16 bits for their number.",
    ),
    mailboxMessages: limit(
      1_024,
      "messages",
      "Messages that wait in one mailbox from one caller.",
      "mailbox.messages",
    ),
    mailboxMessagesMax: limit(65_536, "messages", "The most that may be asked for."),
    messageBytes: limit(16 * 2 ** 20, "bytes", "One message; carried in pieces above a quarter of the ring."),
    callsInFlight: limit(16_384, "calls", "Calls of one caller to one actor that wait for their reply."),
    callTimeoutMs: limit(5_000, "ms", "How long a call waits for its reply.", "call(…, { timeoutMs })"),
    subscriptions: limit(256, "subscriptions", "Event subscriptions of one caller to one actor."),
    eventBuffer: limit(1_024, "events", "Events that wait for one subscriber.", "on.event({ buffer })"),
  },
  supervisor: {
    children: limit(256, "actors", "Actors of one system."),
    startTimeoutMs: limit(10_000, "ms", "How long the setup of an actor may take.", "startTimeoutMs"),
    shutdownMs: limit(
      5_000,
      "ms",
      "How long an actor may take to stop before its thread is terminated.",
      "shutdownMs",
    ),
    restarts: limit(
      5,
      "restarts",
      "Restarts within the period below before a supervisor gives up.",
      "intensity.restarts",
    ),
    restartPeriodMs: limit(10_000, "ms", "The period in which restarts are counted.", "intensity.periodMs"),
    answerMs: limit(
      2_000,
      "ms",
      "How long a thread may take over a question of its supervisor, such as its health.",
    ),
    closeMs: limit(
      30_000,
      "ms",
      "How long all shutdowns may take together before the supervisor's thread is terminated.",
    ),
  },
  compute: {
    threadsMax: limit(
      64,
      "threads",
      "Handlers that run at once; as many as there are cores by default.",
      "threads",
    ),
    sharedPerThread: limit(128, "handlers", "Handlers that share one thread, where they allow it."),
    sharedTurnMs: limit(
      5_000,
      "ms",
      "How long a handler may compute without waiting while others share its thread; then it runs again on a thread alone.",
    ),
    heapMb: limit(1_024, "megabytes", "Memory of one handler thread.", "heapMb"),
    heapMbMin: limit(16, "megabytes", "The least memory that a handler thread may be given."),
    heapMbMax: limit(65_536, "megabytes", "The most memory that a handler thread may be given."),
    graceMs: limit(
      5_000,
      "ms",
      "How long a cancelled handler may take before its thread is terminated.",
      "graceMs",
    ),
    graceMsMax: limit(600_000, "ms", "The longest grace."),
    startMs: limit(30_000, "ms", "How long a handler thread may take to start."),
    loadMs: limit(30_000, "ms", "How long the user's task modules may take to load."),
    waitingRuns: limit(1_024, "runs", "Runs that wait for a thread of the pool; the queue holds all others."),
    inlineBytes: limit(
      65_536,
      "bytes",
      "Output that travels in the message; a larger one goes by reference.",
    ),
    logRecords: limit(1_000, "records", "Log records of one attempt; the rest are counted."),
    logBytes: limit(4_194_304, "bytes", "Log of one attempt; the records beyond it are counted."),
    logChars: limit(8_000, "characters", "One text of a handler's log; a longer one is cut."),
    logFieldsBytes: limit(
      16_384,
      "bytes",
      "Fields of one log record; larger ones are left out, and named in it.",
    ),
    progressChars: limit(500, "characters", "Message of a progress report; a longer one is cut."),
    fileBytes: limit(16_777_216, "bytes", "File that `read_file` reads or `write_file` writes.", "max_bytes"),
    parseBytes: limit(67_108_864, "bytes", "Text or file that `parse` takes."),
    parseRows: limit(1_000_000, "rows", "Rows that `parse` gives.", "max_rows"),
    parseCpuMs: limit(60_000, "ms", "Processor time of one `parse`."),
    expressionChars: limit(32_768, "characters", "One JSONata expression of `transform`."),
    checkedChars: limit(
      2_048,
      "characters",
      "One expression that is read before it runs, such as the condition of a step.",
    ),
    expressionDepth: limit(10_000, "calls", "Nested calls of an expression."),
    expressionItems: limit(1_000_000, "items", "Items of a list that an expression makes."),
    transformCpuMs: limit(10_000, "ms", "Processor time of one `transform`."),
    allowedHosts: limit(1_000, "hosts", "Hosts that `http_fetch` may reach.", "allowedHosts"),
    urlChars: limit(8_192, "characters", "URL that `http_fetch` takes."),
    fetchHeaders: limit(64, "headers", "Headers that `http_fetch` sends."),
    fetchHeaderBytes: limit(16_384, "bytes", "All headers of an answer."),
    fetchMs: limit(30_000, "ms", "How long a fetch may take, redirects and body included.", "timeout_ms"),
    fetchMsMax: limit(600_000, "ms", "The longest time that may be asked for."),
    fetchBytes: limit(1_048_576, "bytes", "Body of an answer, decompressed.", "max_bytes"),
    fetchBytesMax: limit(16_777_216, "bytes", "The largest body that may be asked for, or sent."),
    fetchRedirects: limit(5, "redirects", "Redirects that are followed.", "max_redirects"),
    fetchRedirectsMax: limit(20, "redirects", "The most redirects that may be asked for."),
    fetchBodiesBytes: limit(
      134_217_728,
      "bytes",
      "Bodies that are read at once on one thread, each counted as the largest that it may be; the others wait.",
    ),
  },
  queue: {
    batchTasks: limit(10_000, "tasks", "Tasks in one submit or cancel."),
    nameChars: limit(512, "characters", "Id of a task, name of its action, name of its group."),
    reasonChars: limit(2_000, "characters", "Reason of a cancellation, of a task or of a run."),
    inputBytes: limit(1_048_576, "bytes", "Packed input of one task; a larger value goes by reference."),
    priority: limit(1_000_000, "points", "Priorities reach from minus this to plus this."),
    attempts: limit(100, "attempts", "Attempts that one task may be allowed; 1 unless it says more."),
    timeoutMs: limit(604_800_000, "ms", "The longest time an attempt may be allowed: seven days."),
    defaultTimeoutMs: limit(300_000, "ms", "How long an attempt may run.", "timeoutMs"),
    interruptions: limit(
      5,
      "interruptions",
      "Attempts cut off by the death of a thread or process before a task fails.",
    ),
    pageBytes: limit(8_388_608, "bytes", "Outputs, errors and lines of a log after which a page ends early."),
    keptTasks: limit(
      100_000,
      "tasks",
      "Ended tasks that are kept; and, run by run, the steps of ended runs.",
      "keptTasks",
    ),
    keptMs: limit(604_800_000, "ms", "How long ended tasks and runs are kept: seven days.", "keptMs"),
    departedIds: limit(
      100_000,
      "ids",
      "Latest ids of tasks that have left which are remembered: to depend on one is refused as purged, not as unknown.",
    ),
    furtherKeys: limit(64, "keys", "Idempotency keys that one task is given by later submits of it."),
    dependencies: limit(256, "tasks", "Tasks that one task waits for."),
    waiters: limit(10_000, "tasks", "Tasks that wait for one task."),
    tags: limit(32, "tags", "Tags of one task; likewise the capabilities it requires."),
    tagChars: limit(128, "characters", "One tag, one capability."),
    metadataBytes: limit(65_536, "bytes", "Packed metadata of one task."),
    delayMs: limit(31_622_400_000, "ms", "The longest delay of a task, or between its attempts: 366 days."),
    backoffFactor: limit(100, "times", "How much longer each pause of an exponential backoff may be."),
    waitMs: limit(60_000, "ms", "How long a worker outside may wait for a task to claim in one call."),
    quotas: limit(1_000, "quotas", "Quotas of one queue."),
    workers: limit(1_000, "workers", "Workers outside that are registered at once."),
    workerTasks: limit(1_000, "tasks", "Tasks that one worker outside may have at once."),
    leaseMsMin: limit(100, "ms", "The shortest lease of a worker outside."),
    leaseMs: limit(86_400_000, "ms", "The longest lease of a worker outside: one day."),
    waits: limit(16_384, "calls", "Calls that wait for the end of a task, or for a task to claim."),
    positionTasks: limit(
      10_000,
      "tasks",
      'Tasks that are counted to tell a place in the queue; then it is "at least".',
    ),
    logLines: limit(
      1_000,
      "lines",
      "Latest lines of a task's log that are kept at least; less than twice as many are.",
    ),
  },
  cache: {
    entries: limit(
      10_000,
      "entries",
      "Results that are kept; then the policy says who leaves.",
      "entriesMax",
    ),
    sizeBytes: limit(256 * 2 ** 20, "bytes", "All cached results together.", "sizeBytesMax"),
    hotBytes: limit(16_777_216, "bytes", "Results kept in memory beside the file."),
    keyChars: limit(512, "characters", "A key; at least one."),
    ttlMs: limit(315_360_000_000, "ms", "The longest time to live: ten years."),
    tags: limit(32, "tags", "Tags of one entry, and of one invalidation."),
    tagChars: limit(256, "characters", "One tag."),
    patternChars: limit(512, "characters", "A pattern over keys."),
    nearEntries: limit(10_000, "entries", "Results that each reading thread keeps for itself."),
    nearBytes: limit(8_388_608, "bytes", "Results that each reading thread keeps for itself."),
    nearMs: limit(10_000, "ms", "How long a thread reads its own copy before it asks the cache again."),
    leaseMs: limit(
      10_000,
      "ms",
      "How long a computation is waited for that no longer says that it goes on; then the next one may begin.",
    ),
    computations: limit(16_384, "computations", "Results that are being computed for the cache at once."),
    waits: limit(16_384, "calls", "Calls that wait for results that others compute."),
  },
  workflow: {
    steps: limit(100_000, "steps", "Steps of one workflow."),
    edges: limit(1_000_000, "edges", "Dependencies that the steps of one workflow name together."),
    idChars: limit(256, "characters", "Id of a workflow, of a step."),
    nameChars: limit(1_000, "characters", "Name of a workflow."),
    tags: limit(100, "tags", "Tags of one workflow."),
    tagChars: limit(256, "characters", "One tag."),
    liveRuns: limit(10_000, "runs", "Runs that have not ended; each is held in memory."),
    events: limit(1_000, "events", "Events of one run that are kept; what only told of progress goes first."),
    endSteps: limit(
      256,
      "steps",
      "Steps of a run whose outputs are told with its end; else they are asked for.",
    ),
    endBytes: limit(16_384, "bytes", "Outputs of one run that are told with its end."),
    resultMs: limit(60_000, "ms", "How long an ended run is kept at the least, for whoever waited for it."),
    items: limit(10_000, "items", "Items that one step may fan out to; 1,000 unless it says more."),
    itemsBytes: limit(16 * 2 ** 20, "bytes", "List of items that is kept as a large value."),
    conditionMs: limit(60_000, "ms", "How long the condition of a step may take."),
    dependencies: limit(100, "workflows", "Workflows that one workflow waits for."),
    timeoutMs: limit(31_622_400_000, "ms", "The longest time that a whole run may be allowed: 366 days."),
    problems: limit(100, "problems", "Problems that a refusal lists; the rest are counted."),
    dagSteps: limit(10_000_000, "steps", "The most that a graph outside a run may be allowed."),
    dagEdges: limit(50_000_000, "edges", "The most that a graph outside a run may be allowed."),
    dagProblems: limit(10_000, "problems", "Problems of one graph that are told; the rest are counted."),
    dagPrintedSteps: limit(
      1_000,
      "steps",
      "Steps in the description of a graph, and in what is printed of it; the rest are counted.",
      "describeDag(…, { stepsMax })",
    ),
    dagPrintedEdges: limit(10_000, "edges", "Edges beside them; the rest are counted."),
    dagPicturedSteps: limit(
      300,
      "steps",
      "Steps in a picture; the rest are counted.",
      "dagPicture(…, { stepsMax })",
    ),
    templateIdChars: limit(200, "characters", "Id of a template."),
    templateBytes: limit(1_048_576, "bytes", "A file of templates."),
    templateAliasNodes: limit(
      10_000,
      "values",
      "Values that the aliases of a YAML file repeat, all together.",
    ),
    templateIncludes: limit(100, "templates", "Templates that one template includes by itself."),
    templateSteps: limit(10_000, "steps", "Steps of a template together with those of its includes."),
    templateIncludeDepth: limit(32, "templates", "Templates that include one another in a row."),
    templateVersions: limit(10_000, "templates", "Templates of one registry, each version counted."),
    patternChars: limit(1_000, "characters", "Pattern that a template demands of a parameter."),
    patternMs: limit(
      100,
      "ms",
      "How long the pattern of a parameter may take on one value; then it has not matched.",
    ),
  },
  router: {
    tools: limit(1_000, "tools", "Tools with figures of their own; all others share one row."),
    toolChars: limit(128, "characters", "Name of a tool; at least one."),
    windowCalls: limit(1_000, "calls", "Latest calls of a tool that its percentiles are made from."),
  },
  lists: {
    pageItems: limit(1_000, "items", "One page of any list."),
  },
  mcp: {
    inputElements: limit(100_000, "elements", "Elements of one tool's arguments, nested ones included."),
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
} as const satisfies Readonly<Record<string, Readonly<Record<string, Limit>>>>;

type ValuesOf<T> = { readonly [Room in keyof T]: { readonly [Name in keyof T[Room]]: number } };

/**
 * Every bound by room and name, such as `LIMITS.queue.inputBytes`. At a bound a request is refused with a code, or the
 * surplus is cut, or left out and counted, as `docs/limits.md` says of each; nothing grows without end.
 */
export const LIMITS = valuesOf(LIMIT_TABLE);

function valuesOf<T extends Readonly<Record<string, Readonly<Record<string, Limit>>>>>(
  table: T,
): ValuesOf<T> {
  const rooms = Object.entries(table).map(([room, limits]) => {
    const values = Object.entries(limits).map(([name, { value }]) => [name, value] as const);
    return [room, Object.freeze(Object.fromEntries(values))] as const;
  });
  return Object.freeze(Object.fromEntries(rooms)) as ValuesOf<T>;
}
