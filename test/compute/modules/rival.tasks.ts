import { defineTasks, handler } from "../../../src/compute/index.ts";

export default defineTasks({ double: handler({ run: () => 0 }) });
