export { FAULTS, type FaultCode, type FaultDetails } from "./fault-table.ts";
export { Fault, assert, fault, isCancellation, isFault, sentenceOf } from "./fault.ts";
export { LIMITS } from "./limits.ts";
export { isError, peek, textOf } from "./thrown.ts";
export { fromWireError, toWireError, wireFault, type WireError } from "./wire-error.ts";
