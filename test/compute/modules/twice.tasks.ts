import { defineTasks, handler } from "../../../src/compute/index.ts";

export const first = defineTasks({ same: handler({ run: () => 1 }) });
export const second = defineTasks({ same: handler({ run: () => 2 }) });
