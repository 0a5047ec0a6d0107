// What a test run came to. Runs on Node 20.
import { readFileSync } from "node:fs";

/**
 * Counts a run of vitest from its JSON report. Whatever made it fail counts as one failure where no test did: a
 * file that could not be loaded, an error outside of any test, no tests at all, a crash before the report.
 * @param {string} report the report's path
 * @param {number} exitCode what vitest ended with
 */
export function countTests(report, exitCode) {
  const files = readReport(report);
  const counts = files.map(countFile).reduce(add, none);
  const isEmpty = counts.passed + counts.failed + counts.skipped === 0;
  return counts.failed === 0 && (exitCode !== 0 || isEmpty) ? add(counts, { ...none, failed: 1 }) : counts;
}

export const none = { passed: 0, failed: 0, skipped: 0 };

export const add = (a, b) => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
});

function readReport(report) {
  try {
    return JSON.parse(readFileSync(report, "utf8")).testResults;
  } catch {
    return [];
  }
}

function countFile({ status, assertionResults }) {
  const count = (...words) => assertionResults.filter((test) => words.includes(test.status)).length;
  const failed = count("failed");
  return {
    passed: count("passed"),
    failed: status === "failed" ? Math.max(1, failed) : failed,
    skipped: count("skipped", "pending", "todo", "disabled"),
  };
}
