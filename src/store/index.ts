export { openBlobs, type BlobAddress, type BlobStore, type Collected } from "./blob-store.ts";
export type { Changes, Driver, NamedValues, Query, Row, SqlValue, Statement } from "./driver.ts";
export { openStore, type StoreOptions } from "./open-store.ts";
export type { Queries, Statements } from "./statements.ts";
export type { Durability, Store, StoreLimits, StoreStats } from "./store.ts";
