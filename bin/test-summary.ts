/**
 * Prints `N passed, N failed` for a result file of vitest's JSON reporter. A file that could not even be loaded counts as
 * one failure. Exits 1 when something failed or nothing ran.
 */
import { readFileSync } from 'node:fs';

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly success: boolean;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

const text = readFileSync(process.argv[2] ?? '', 'utf8');
if (text === '') {
  process.stdout.write('0 passed, 1 failed\n');
  process.exit(1);
}
const report: Report = JSON.parse(text);
const unloaded = report.testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && !assertionResults.length,
);
const failed = report.numFailedTests + unloaded.length;
process.stdout.write(`${report.numPassedTests} passed, ${failed} failed\n`);
process.exit(failed > 0 || report.numPassedTests === 0 ? 1 : 0);
