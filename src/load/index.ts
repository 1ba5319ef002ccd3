export { documentOf, type LoadDocument } from "./document.ts";
export { loadPage } from "./page.ts";
export { paceClock, type Pace } from "./pace.ts";
export { QueueTarget } from "./queue-target.ts";
export { runLoad, type LoadPlan } from "./run-load.ts";
export { closingLines, liveView, plainView, silentView, type LoadView } from "./view.ts";
