import { toolTasks } from "../src/tools/tool-runner.ts";

export default toolTasks(import.meta.url);
