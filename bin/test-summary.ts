/**
 * Prints `N passed, N failed` for result files of vitest's JSON reporter together. A test file that could not even be loaded counts as
 * one failure, and so does a run without results. Exits 1 when something failed or nothing ran.
 */
import { readFileSync } from 'node:fs';

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly success: boolean;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

let passed = 0;
let failed = 0;
for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, 'utf8');
  if (text === '') {
    failed += 1;
    continue;
  }
  const report: Report = JSON.parse(text);
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.length,
  );
  passed += report.numPassedTests;
  failed += report.numFailedTests + unloaded.length;
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
