export type { Collected } from "./blob-collection.ts";
export { openBlobs, type BlobAddress, type BlobPart, type BlobStore } from "./blob-store.ts";
export { checkStore } from "./check-store.ts";
export type { Changes, Driver, NamedValues, Query, Row, SqlValue, Statement } from "./driver.ts";
export { LOOK_START, markedRows, type LookPlace, type LookedThrough } from "./marked-rows.ts";
export { takeLock, type LockFile } from "./lock-file.ts";
export { openStore, type StoreOptions } from "./open-store.ts";
export type { Queries, Statements } from "./statements.ts";
export type { Durability, Store, StoreLimits, StoreStats } from "./store.ts";
