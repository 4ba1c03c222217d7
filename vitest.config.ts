/**
 * The test projects. `npm run check` runs architecture and unit, `npm test` runs all but those on a virtual machine, which are there only when
 * `npm run test:vm` has booted one; the bench is a program of its own.
 */
import { defineConfig } from 'vitest/config';

const minute = 60_000;
/** On hosts with engines of their own, beside whatever uses the machine's. */
const wholeHosts = ['test/e2e/hosts/**/*.test.ts', 'test/e2e/install.test.ts', 'test/e2e/upgrade.test.ts'];

/** Software emulation takes ten to twenty times as long. */
const onVirtualMachine = {
  test: {
    name: 'vm',
    include: ['test/vm/**/*.test.ts'],
    testTimeout: 20 * minute,
    hookTimeout: 30 * minute,
    fileParallelism: false,
  },
};

export default defineConfig({
  test: {
    passWithNoTests: true,
    projects: [
      { test: { name: 'architecture', include: ['test/architecture.test.ts'] } },
      // Without a world of its own for each file: loading the modules anew took longer than all the tests. The time limit is for busy machines.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], isolate: false, testTimeout: minute / 2 } },
      {
        test: { name: 'contract', include: ['test/contract/**/*.test.ts'], testTimeout: minute, hookTimeout: minute },
      },
      // It only calculates, and in `npm test` gives way to everything else.
      { test: { name: 'simulation', include: ['test/simulation/**/*.test.ts'], testTimeout: 15 * minute } },
      {
        test: {
          name: 'conformance',
          include: ['test/conformance/**/*.test.ts'],
          testTimeout: 2 * minute,
          hookTimeout: 2 * minute,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: wholeHosts,
          testTimeout: 5 * minute,
          hookTimeout: 2 * minute,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'hosts',
          include: wholeHosts,
          testTimeout: 5 * minute,
          hookTimeout: 2 * minute,
          fileParallelism: false,
        },
      },
      ...(process.env['BERTH_TEST_VM'] === undefined ? [] : [onVirtualMachine]),
    ],
  },
});
