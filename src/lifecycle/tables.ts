import { tableOf } from "./table.ts";

// Made by `npm run docs` from the machines beside this file; CI compares. Every owner of a state changes it through
// one of these.

export const taskTable = tableOf({
  name: "task",
  initial: "queued",
  events: ["start", "cancel", "fail", "complete", "retry", "interrupt", "stop"],
  rows: {
    queued: { start: "running", cancel: "cancelled", fail: "failed" },
    running: {
      cancel: "cancelling",
      fail: "failed",
      complete: "completed",
      retry: "queued",
      interrupt: "queued",
    },
    cancelling: { fail: "cancelled", complete: "completed", interrupt: "cancelled", stop: "cancelled" },
    completed: {},
    failed: {},
    cancelled: {},
  },
});

export const runTable = tableOf({
  name: "run",
  initial: "submitted",
  events: ["start", "fail", "pause", "cancel", "complete", "resume", "wait", "stop"],
  rows: {
    submitted: { start: "running", fail: "failed", pause: "paused", cancel: "cancelled" },
    running: { fail: "failed", pause: "paused", cancel: "cancelling", complete: "completed" },
    paused: {
      fail: "failed",
      cancel: "cancelling",
      complete: "completed",
      resume: "running",
      wait: "submitted",
    },
    cancelling: { stop: "cancelled" },
    completed: {},
    failed: {},
    cancelled: {},
  },
});

export const stepTable = tableOf({
  name: "step",
  initial: "pending",
  events: ["release", "skip", "cancel", "start", "complete", "fail", "interrupt"],
  rows: {
    pending: { release: "ready", skip: "skipped", cancel: "cancelled" },
    ready: { skip: "skipped", cancel: "cancelled", start: "running", complete: "completed", fail: "failed" },
    running: { cancel: "cancelled", complete: "completed", fail: "failed", interrupt: "ready" },
    completed: {},
    failed: {},
    skipped: {},
    cancelled: {},
  },
});

export const compensationTable = tableOf({
  name: "compensation",
  initial: "pending",
  events: ["start", "complete", "fail", "skip", "interrupt"],
  rows: {
    pending: { start: "running", complete: "completed", fail: "failed", skip: "skipped" },
    running: { complete: "completed", fail: "failed", interrupt: "pending" },
    completed: {},
    failed: {},
    skipped: {},
  },
});

export const childTable = tableOf({
  name: "child",
  initial: "stopped",
  events: ["start", "ready", "crash", "stop", "give_up", "exit"],
  rows: {
    stopped: { start: "starting" },
    starting: { ready: "running", crash: "restarting", stop: "stopping", give_up: "given_up" },
    running: { crash: "restarting", stop: "stopping", exit: "stopped" },
    stopping: { crash: "stopped", exit: "stopped" },
    restarting: { start: "starting", stop: "stopped", give_up: "given_up", exit: "stopped" },
    given_up: {},
  },
});

export const bootstrapTable = tableOf({
  name: "bootstrap",
  initial: "idle",
  events: ["probe", "reach", "dial", "miss", "lose"],
  rows: {
    idle: { probe: "probing", reach: "ready" },
    probing: { reach: "ready", dial: "dialling", miss: "degraded" },
    dialling: { reach: "ready", miss: "degraded" },
    ready: { lose: "degraded" },
    degraded: { probe: "probing", reach: "ready" },
  },
});
