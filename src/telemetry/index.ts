export { SECRET_NAME, createLog, type Log, type LogFields, type LogLevel, type LogOptions } from "./log.ts";
export {
  METRICS,
  attachMetrics,
  createMetricsBlock,
  readMetrics,
  type Counter,
  type Gauge,
  type Histogram,
  type HistogramSnapshot,
  type MetricsBlock,
  type MetricsSnapshot,
  type Unit,
} from "./metrics.ts";
export {
  TRACE_BYTES,
  childSpan,
  childTraceparent,
  decodeTrace,
  encodeTrace,
  formatTraceparent,
  newTrace,
  parseTraceparent,
  validTraceparent,
  type Trace,
} from "./trace.ts";
