export { run } from "../src/compute/task-runner.ts";
