export { IndexedHeap, NOWHERE, type HeapItem } from "./indexed-heap.ts";
