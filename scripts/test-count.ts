/**
 * Prints what the test run counted, from the report that the runner itself wrote: `12 passed, 0 failed`. A test file
 * that could not even be loaded counts as one failure, since none of its tests was counted.
 */
import { readFileSync } from "node:fs";

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

const [path] = process.argv.slice(2);
if (path === undefined) throw new TypeError("usage: test-count.ts REPORT.json");

const report = JSON.parse(readFileSync(path, "utf8")) as Report;
const unread = report.testResults.filter(
  (file) => file.status === "failed" && file.assertionResults.length === 0,
);
process.stdout.write(`${report.numPassedTests} passed, ${report.numFailedTests + unread.length} failed\n`);
