import { defineTasks, handler } from "../../../src/compute/index.ts";

export default defineTasks({ echo: handler({ run: () => 1 }) });
